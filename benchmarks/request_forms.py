"""The forms in which frameworks send a request: as their documentation and source describe these, in other words."""

REQUEST, CONTEXT = "{request}", "{context}"
PARAGRAPHS = "The harbour was extended in 1856.\n\nBees orient themselves by the sun."

FORMS = {
    "dspy": "[[ ## context ## ]]\n{context}\n\n[[ ## question ## ]]\n{request}\n\nFill `[[ ## answer ## ]]`.",
    "dspy, one field": ("[[ ## question ## ]]\n{request}\n\nStart with the field `[[ ## answer ## ]]` and end there."),
    "crewAI": (
        "Current Task: {request}\n\nThese are the criteria for your final answer: complete.\n"
        "Return the content itself, not a summary.\n\nProvide your complete response:"
    ),
    "crewAI with context": (
        "Current Task: {request}\n\nCriteria for the answer: short\n\nThis is the context you have:\n{context}\n\n"
        "Provide your response:"
    ),
    "LlamaIndex RAG": (
        "Context information is below.\n----------\n{context}\n----------\nGiven the context, answer the query.\n"
        "Query: {request}\nAnswer: "
    ),
    "LangChain RAG": (
        "Use this to answer the question at the end.\n\n{context}\n\nQuestion: {request}\nHelpful Answer:"
    ),
    "LangChain ReAct": (
        "Answer the questions. Tools:\n\nsearch: looks something up\n\nQuestion: the input\nThought: think\n"
        "Action: one of [search]\nObservation: its result\nFinal Answer: the answer\n\nBegin!\n\n"
        "Question: {request}\nThought:"
    ),
    "LangChain ConversationChain": "A talk between a human and an AI.\n\nHuman: hi\nAI: Hello!\nHuman: {request}\nAI:",
    "Open WebUI RAG": (
        "### Task:\nRespond to the query with the context.\n\n### Guidelines:\n- Cite sources.\n\n"
        "<context>\n{context}\n</context>\n\n{request}"
    ),
    "documents and query in tags": ("<documents>\n{context}\n</documents>\n<user_query>\n{request}\n</user_query>"),
    "Cline": ("<task>\n{request}\n</task>\n\n<environment_details>\n# Open Tabs\nmain.py\n</environment_details>"),
    "headings": (
        "# Role\nYou are an expert.\n\n# Context\n{context}\n\n# Task\n{request}\n\n# Output format\nMarkdown."
    ),
    "Alpaca": "Below is an instruction. Write a response.\n\n### Instruction:\n{request}\n\n### Response:",
    "an announced task": "There are tables below.\n-----\n{context}\n-----\nDo the following task: {request}",
    "smolagents": "New task:\n{request}",
    "ChatML": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    ),
    "RAG in Spanish": "Responde con el contexto.\n\nContexto:\n{context}\n\nPregunta: {request}\nRespuesta:",
    "RAG in French": "Utilisez le contexte.\n\n{context}\n\nQuestion: {request}\nRéponse:",
    "RAG in Russian": "Отвечай по контексту.\n\nКонтекст:\n{context}\n\nВопрос: {request}\nОтвет:",
    "RAG in Chinese": "请根据已知信息回答。\n\n已知信息：\n{context}\n\n问题：{request}\n回答：",
    "RAG in Japanese": "文脈だけを使ってください。\n\n文脈:\n{context}\n\n質問: {request}\n回答:",
    "RAG in Korean": "다음 문맥을 사용하세요.\n\n문맥: {context}\n\n질문: {request}\n답변:",
    "Semantic Kernel": '<message role="system">Be kind.</message>\n<message role="user">{request}</message>',
    "a JSON schema": (
        "{request}\n\nThe output is a JSON object that conforms to this schema:\n```\n"
        '{"properties": {"answer": {"type": "string"}}, "required": ["answer"]}\n```'
    ),
    "AutoGen RetrieveChat": (
        "You answer questions by your own knowledge and the context. If that is not enough, reply UPDATE CONTEXT.\n\n"
        "User's question is: {request}\n\nContext is: {context}"
    ),
    "Dify": (
        "Use the following context as your knowledge, inside <context></context> XML tags.\n\n<context>\n{context}\n"
        "</context>\n\nWhen you answer:\n- Say so if you do not know.\n- Do not mention the context.\n{request}"
    ),
    "LangChain structured chat": "{request}\n\n(reminder to respond in a JSON blob no matter what)",
}

# Written after the rule that reads templates, and without a look at its list of marks.
LATER_FORMS = {
    "Haystack RAG": "Answer the question by these documents.\nDocuments:\n{context}\n\nQuestion: {request}\nAnswer:",
    "txtai RAG": (
        "Answer the following question with nothing but the context below.\n\nquestion: {request}\ncontext: {context}"
    ),
    "LlamaIndex refine": (
        "The original query is as follows: {request}\nWe have an existing answer: I do not know.\nRefine it, if that "
        "helps, with the context below.\n------------\n{context}\n------------\nRefined Answer: "
    ),
    "agno": (
        "{request}\n\nUse the following references from the knowledge base if they help:\n<references>\n{context}\n"
        "</references>"
    ),
    "BabyAGI": (
        "You are an AI that performs one task for the objective: help the user.\nConsider the tasks completed so far: "
        "read the mail.\nYour task: {request}\nResponse:"
    ),
    "CAMEL": "Instruction: {request}\nInput: None",
    "Mistral": "<s>[INST] {request} [/INST]",
    "Continue": "```notes.md\n{context}\n```\n{request}",
    "the context behind the request, unmarked": "{request}\n\n{context}",
    "a tag with the context behind the request": "{request}\n\n<context>\n{context}\n</context>",
    "support desk": (
        "You help the customers of a shop.\n\nKnowledge base:\n1. {context}\n\nThe customer writes: {request}\n\n"
        "Stay polite, and do not make anything up."
    ),
    "numbered sources": ("[1] {context}\n\nWith the sources above, and citing them as [1], reply to: {request}"),
    "a tag around the request": "Read <notes> first.\n<notes>\n{context}\n</notes>\n<user_query>{request}</user_query>",
    "RAG in German": "Kontext:\n{context}\n\nFrage: {request}\nHilfreiche Antwort:",
}


def wrap(form: str, request: str) -> str:
    """Return a request in a form, with two paragraphs as its context."""
    return form.replace(CONTEXT, PARAGRAPHS).replace(REQUEST, request)
