"""Links to objects of a store that is not there."""

from temporalio import activity

from shared.contracts.inputs import FetchedInputs, FetchInputs, InputActivities, LinkObjects


class FakeLinks(InputActivities):
    """Every object has a link."""

    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        raise NotImplementedError

    @activity.defn(name="link_objects")
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        return {key: f"https://store.example/{key}?signed" for key in request.keys}
