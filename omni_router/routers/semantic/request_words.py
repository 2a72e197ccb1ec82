"""Words that open a request, in the sixteen languages of the multilingual encoder.

They are stems: a sentence asks for something if it begins with one of them. Words that end with a blank are whole
words. Thai, Chinese, Japanese and Korean divide words otherwise, so their marks of a request may stand anywhere.
"""

POLITE = (
    "hi ,hello ,hey ,ok ,okay ,so ,and ,also ,now ,then ,please ,pls ,plz ,kindly ,lol ,hi!,hi,,hello,,ok,,so,,bitte ,hallo ,bonjour ,"
    "hola ,ciao ,olá ,por favor ,per favore ,пожалуйста ,привет ,"
)
ENGLISH = (
    "can you |can u |can someone |could you |could u |would you |will you |i need |i want |i would like |i have to |i'd like |"
    "i'm looking |help |write |rewrite |re-write |translate |summari|condense |shorten |explain |describe |tell |give |list |make |create |"
    "craft |compose |draft |draw |paint |generate |design |render |turn |put |fix |find |debug |review |implement |convert |port |"
    "refactor |calculate |compute |solve |prove |show |compare |extract |answer |continue |use |using |given |act |imagine |pretend |"
    "you are |your task |let's |suggest |improve |what |what's |why |how |who |when |where |which |whose |is |are |does |do |did |"
    "tl;dr|tldr"
)
OTHERS = (
    # German, French, Spanish
    "kannst |können |könnten |ich brauche |ich möchte |ich hätte |schreib|übersetz|fass|erklär|nenn|gib |mach |erstell|zeichne |male |"
    "finde |wie |was |warum |wer |wann |wo |welche|wieso |hilf |"
    "peux|pouvez|pourr|je veux |je voudrais |j'aimerais |écri|tradui|résum|expliqu|donne|fais |faites |crée|dessine|trouve|quel|que |"
    "qu'|pourquoi |comment |qui |quand |où |est-ce |s'il |"
    "¿|puedes |podrías |quiero |necesito |escrib|traduc|resum|explica|dame |haz |crea |dibuja|encuentra |genera|qué |por qué |cómo |"
    "quién |cuándo |dónde |cuál|"
    # Italian, Portuguese, Dutch, Polish
    "puoi |potresti |vorrei |scriv|tradu|riassum|spiega|dammi |fai |disegna|trova |che |perché |come |chi |quando |dove |qual|"
    "pode |poderia |quero |preciso |escrev|expli|dê |faça |crie |desenh|encontr|o que |por que |como |quem |onde |"
    "kun |kunt |zou |ik wil |schrijf|vertaal|vat |maak |leg |geef |teken|vind |hoe |wat |waarom |wie |wanneer |waar |welke |"
    "proszę |czy |możesz |napisz|przetłumacz|streść|wyjaśnij|podaj|zrób|narysuj|znajdź|jak |co |dlaczego |kto |kiedy |gdzie |"
    # Russian, Turkish, Arabic
    "можешь |можете |напиши|переведи|перескажи|кратко |объясни|дай |сделай|создай|нарисуй|найди|реши|как |что |почему |кто |когда |"
    "где |lütfen |bana |nasıl |ne |neden |niçin |kim |hangi |"
    "من فضلك|هل |كيف |ما |ماذا |لماذا |متى |أين |من |اكتب|ترجم|لخص|اشرح|ارسم|أعطني|أنشئ|أريد"
)
ANYWHERE = tuple(
    "请|請|翻译|翻譯|总结|總結|概括|帮我|幫我|什么|什麼|怎么|怎麼|如何|吗|嗎|ください|下さい|してほしい|してくれ|ですか|ますか|なぜ|何を|주세요|해줘|하세요|까요|무엇|어떻게|인가요|"
    "ช่วย|กรุณา|โปรด|อะไร|ทำไม|อย่างไร|ยังไง|ไหม|แปล|สรุป|เขียน|please|thanks in advance|can you|could you|bitte |s'il te plaît|s'il vous plaît|"
    "por favor|per favore|alsjeblieft|пожалуйста|lütfen".split("|")
)
CLOSING = tuple("yaz|yazın|çevir|çevirin|özetle|özetleyin|açıkla|çiz|bul|misin|mısın".split("|"))  # Turkish verbs end a sentence
OPENING = tuple(f"{ENGLISH}|{OTHERS}".split("|"))
