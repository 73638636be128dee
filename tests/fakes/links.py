"""Links to objects of a store that does not exist."""

from temporalio import activity

from shared.contracts.inputs import LinkObjects


class FakeLinks:
    """An activity that returns a link for every key."""

    @activity.defn(name="link_objects")
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        return {key: f"https://store.example/{key}?signed" for key in request.keys}
