"""Vectors through OpenAI's package and LangChain's `OpenAIEmbeddings`: `python embeddings.py BASE_URL FEATURE`."""

import sys

import openai
from langchain_openai import OpenAIEmbeddings

TEXTS = ["the tide comes in", "the tide goes out"]


def embed(base_url: str) -> None:
    """Check that both return the same vectors."""
    client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
    response = client.embeddings.create(model="omni", input=TEXTS)
    langchain = OpenAIEmbeddings(
        model="omni", base_url=base_url, api_key="none", check_embedding_ctx_length=False, max_retries=0
    )
    assert langchain.embed_documents(TEXTS) == [entry.embedding for entry in response.data]
    assert langchain.embed_query(TEXTS[1]) == response.data[1].embedding


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
