"""The Hugging Face seam: the client, the catalog, and what their failures mean."""
