SwaggerUIBundle({
  url: document.currentScript.dataset.document,
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null, // it would send the document to somebody else
});
