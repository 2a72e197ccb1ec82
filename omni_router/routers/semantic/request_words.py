"""Words that open a request, and words on the labels of templates, in the sixteen languages of USE-multilingual.

They are stems: a sentence asks for something if it begins with one of them. Those that end with a blank are whole
words. Thai, Chinese, Japanese and Korean do not divide words by blanks, so their marks may stand anywhere.
"""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.replace("|\n", "|").split("|"))


POLITE = _listed("""\
hi|hello|hey|ok|okay|so|and|also|now|then|please|pls|plz|kindly|lol|hi!|hi|hello|ok|so|bitte|hallo|bonjour|hola|
ciao|olá|porfavor|perfavore|пожалуйста|привет""")
POLITE_WORDS = tuple(f"{word} " for word in POLITE)
# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish, Arabic
OPENING = _listed("""\
can you |can u |can someone |could you |could u |would you |will you |i need |i want |i would like |i have to |
i'd like |i'm looking |help |write |rewrite |re-write |translate |summari|condense |shorten |explain |describe |
tell |give |list |make |create |craft |compose |draft |draw |paint |generate |design |render |turn |put |fix |
find |debug |review |implement |convert |port |refactor |calculate |compute |solve |prove |show |compare |
extract |answer |continue |use |using |given |act |imagine |pretend |you are |your task |let's |suggest |
improve |expand |rephrase |paraphrase |edit |correct |proofread |analy|what |what's |why |how |who |when |
where |which |whose |is |are |does |do |did |tl;dr|tldr|kannst |können |könnten |ich brauche |ich möchte |
ich hätte |schreib|übersetz|fass|erklär|nenn|gib |mach |erstell|zeichne |formulier|überarbeite|beantwort|
korrigier|setze |male |finde |wie |was |warum |wer |wann |wo |welche|wieso |hilf |peux|pouvez|pourr|je veux |
je voudrais |j'aimerais |écri|tradui|résum|expliqu|donne|fais |faites |crée|dessine|trouve|réécri|répond|
reformul|corrige|développe|transforme|quel|que |qu'|pourquoi |comment |qui |quand |où |est-ce |s'il |¿|puedes |
podrías |quiero |necesito |escrib|traduc|resum|explica|dame |haz |crea |dibuja|encuentra |genera|reescrib|
respond|reformul|corrige|convierte|desarrolla|qué |por qué |cómo |quién |cuándo |dónde |cuál|riscriv|rispond|
riformul|correggi|puoi |potresti |vorrei |scriv|tradu|riassum|spiega|dammi |fai |disegna|trova |che |perché |
come |chi |quando |dove |qual|pode |poderia |quero |preciso |escrev|expli|dê |faça |crie |desenh|encontr|
reescrev|reformul|corrige|transform|o que |por que |como |quem |onde |kun |kunt |zou |ik wil |schrijf|vertaal|
vat |maak |leg |geef |teken|vind |hoe |wat |waarom |wanneer |waar |welke |proszę|czy |możesz |napisz|
przetłumacz|streść|wyjaśnij|podaj|zrób|narysuj|znajdź|jak |co |dlaczego |kto |kiedy |gdzie |можешь |можете |
напиши|переведи|перескажи|кратко |объясни|дай |сделай|создай|нарисуй|найди|реши|как |что |почему |кто |когда |
где |lütfen |bana |nasıl |ne |neden |niçin |kim |hangi |من فضلك|هل |كيف |ما |ماذا |لماذا |متى |أين |من |اكتب|
ترجم|لخص|اشرح|ارسم|أعطني|أنشئ|أريد|أعد |حوّل|صحّح|استخرج""")
ANYWHERE = _listed("""\
请|請|翻译|翻譯|总结|總結|概括|帮我|幫我|什么|什麼|怎么|怎麼|如何|吗|嗎|ください|下さい|してほしい|してくれ|ですか|
ますか|なぜ|何を|주세요|해줘|하세요|까요|무엇|어떻게|인가요|ช่วย|
กรุณา|โปรด|อะไร|ทำไม|อย่างไร|ยังไง|ไหม|แปล|สรุป|เขียน|please|thanks in advance|can you|could you|bitte |
s'il te plaît|s'il vous plaît|por favor|per favore|alsjeblieft|пожалуйста|lütfen""")
# Turkish verbs end a sentence.
CLOSING_VERBS = _listed("""\
yaz|yazın|çevir|çevirin|özetle|özetleyin|açıkla|çiz|bul|misin|mısın""")

# Words of a sentence that speaks of a text beside it.
POINTING = _listed("""\
following|below|above|this question|diese frage|cette question|esta pregunta|questa domanda|esta pergunta|这个问题|
這個問題|この質問|이 질문|given text|given article|provided|this text|this article|this passage|this paragraph|
this mail|
this email|this message|this conversation|this letter|folgend|unten|nachstehend|obig|oben|diesen text|
diese mail|dieser text|diesem text|suivant|ci-dessous|ci-dessus|ce texte|cet article|ce mail|ce message|
siguiente|abajo|arriba|a continuación|este texto|este artículo|este correo|este mensaje|seguente|qui sotto|
qui sopra|questo testo|questo articolo|questa mail|questo messaggio|seguinte|abaixo|acima|a seguir|este artigo|
este e-mail|esta mensagem|volgende|hieronder|hierboven|onderstaand|bovenstaand|deze tekst|dit artikel|deze mail|
następując|poniż|powyż|ten tekst|tego tekstu|ten artykuł|следующ|ниже|приведённ|приведенн|выше|этот текст|
этого текста|эту статью|это письмо|aşağıdaki|yukarıdaki|bu metni|bu yazıyı|bu makaleyi|التالي|الآتي|أدناه|أعلاه|
هذا النص|هذه الرسالة|هذا المقال|以下|下列|下面|下文|给定|給定|提供的|所提供|以上|上文|上述|上面|这段|這段|这篇|這篇|
次の|上記|下記|この文章|この記事|このメール|この会話|
다음|아래|위의|위 글|이 글|이 기사|이 메일|이 대화|ต่อไปนี้|ด้านล่าง|ข้างล่าง|ข้างต้น|ข้างบน|ข้อความนี้""")
# Nouns of what is asked itself: what follows "answer this question" is no material.
QUESTION = _listed("""\
question|questions|frage|fragen|pregunta|preguntas|domanda|domande|pergunta|perguntas|vraag|vragen|pytanie|
pytania|вопрос|вопросы|soru|soruyu|soruları|سؤال|السؤال|问题|問題|質問|质问|질문|คำถาม""")
PROBLEM = (
    *QUESTION,
    *_listed("""\
problem|problème|problema|riddle|puzzle|equation|exercise|task|rätsel|gleichung|aufgabe|énigme|équation|
exercice|acertijo|ecuación|ejercicio|indovinello|equazione|esercizio|adivinha|equação|exercício|raadsel|
vergelijking|opgave|zagadk|równani|zadani|загадк|уравнени|задач|bulmaca|denklem|مسألة|معادلة|لغز|方程|谜|謎|题|題|
퀴즈|
수수께끼|방정식|문제|โจทย์|ปริศนา|สมการ"""),
)

# ---- words on labels, headings and tags

REQUEST = frozenset(
    _listed("""\
anfrage|aufgabe|compito|consigne|consulta|demande|domanda|frage|görev|instruction|instructions|opdracht|
pergunta|pregunta|pytanie|query|question|request|requête|richiesta|soru|taak|tarea|tarefa|task|tâche|vraag|
zadanie|вопрос|задание|задача|запрос|السؤال|المهمة|سؤال|مهمة""")
)
INPUT = frozenset(
    _listed("""\
benutzer|gebruiker|human|input|kullanıcı|nutzer|prompt|user|usuario|usuário|utente|utilisateur""")
)
MATERIAL = frozenset(
    _listed("""\
background|bağlam|contesto|context|contexte|contexto|conversation|document|documenti|documentos|documents|
dokumente|dokumenty|environment|excerpt|excerpts|history|information|knowledge|kontekst|kontext|memories|memory|
passage|passages|reference|references|source|sources|документы|контекст|السياق|سياق""")
)
ANSWER = frozenset(
    _listed("""\
action|ai|answer|antwoord|antwort|assistant|bot|cevap|criteria|example|examples|format|guidelines|observation|
odpowiedź|output|outputs|reply|respond|response|resposta|respuesta|risposta|rules|réponse|thought|tools|yanıt|
ответ|إجابة|الإجابة""")
)
# Labels of a reply that stands there already.
REPLIED = frozenset(
    _listed("""\
a|ai|answer|antwort|assistant|bot|reply|response|resposta|respuesta|risposta|réponse|ответ""")
)
# Last paragraphs with these are about the form of the answer.
CLOSING = frozenset(
    _listed("""\
answer|format|output|reply|respond|response""")
)
# Words before the last one of a sentence that announces a request: "solve the following task".
ANNOUNCERS = frozenset(
    _listed("""\
current|first|following|new|next|the|this""")
)
REQUEST_STEMS = _listed("""\
问题|問題|提问|任务|任務|质问|質問|タスク|질문|요청|คำถาม""")
MATERIAL_STEMS = _listed("""\
已知信息|上下文|参考|參考|資料|资料|背景|文脈|맥락|문맥|บริบท""")
ANSWER_STEMS = _listed("""\
回答|答案|答：|답변|대답|คำตอบ""")

# ---- what pasted material looks like

MAIL_HEADERS = _listed("""\
from: |to: |cc: |subject: |date: |sent: |von: |an: |betreff: |de : |de: |objet : |
asunto: |от: |тема: |发件人|收件人|主题""")
# The beginnings of lines of code; lines that begin as in the second list end with a colon, too.
CODE_STARTS = _listed("""\
import |from |def |class |func |function |const |let |var |return |if (|if(|for (|while (|public |private |
#include|#!|using |package |create table |select |insert |traceback (|at |// |/* |@|});|} """)
BLOCK_STARTS = _listed("if |elif |else|for |while |with |try|except |switch |case |match ")
