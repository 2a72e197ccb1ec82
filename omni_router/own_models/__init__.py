"""Models of one's own beside those of the Hub: at addresses that a policy declares, or any chat model of LangChain.

specialists.py     the models that there are now       discovery.py         what an address lists, ids of its models
address.py         requests to an address              langchain_models.py  chat models of LangChain
joined_catalog.py  the Hub's catalog with these models  joined_inference.py  which client calls which model

They come after `hub`, whose gates, caches and chat they use. To import this package imports no LangChain and no httpx.
"""
