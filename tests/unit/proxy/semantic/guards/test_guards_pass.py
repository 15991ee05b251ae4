"""What may differ between two questions, one idea a row; and beside it the nearest thing that may not."""

import pytest

from proxy.semantic.guards import differs, features, signature


def guard(a: str, b: str) -> str:
    one, other = features(a), features(b)
    named = differs(one, other)
    assert named == differs(other, one)
    assert (named == "") == (signature(one) == signature(other))
    return named


SAME = [
    # Typography.
    ("What’s a “black hole”?", 'What\'s a "black hole"?'),
    ("Tell me a joke about  bees\u00a0.", "Tell me a joke about bees."),
    ("Where is the caf\u0065\u0301 in Rome?", "Where is the caf\u00e9 in Rome?"),
    ("Is the \u200bsky blue?", "Is the sky blue?"),
    ("Ｗhat is the time？", "What is the time?"),
    ("What is machine learning?!", "What is machine learning"),
    ("What is at −5 and 3–4?", "What is at -5 and 3-4?"),
    # Case.
    ("What is the capital of Spain?", "what is the capital of spain"),
    ("WHAT IS THE CAPITAL OF SPAIN", "What is the capital of Spain?"),
    ("How does HTTP differ from sql", "how does http differ from SQL"),
    # Contractions and spelling.
    ("I can't log in to my account.", "I cannot log in to my account."),
    ("Why doesn't the color change?", "Why does not the colour change?"),
    ("Whats an atom", "What is an atom?"),
    # Numbers and units.
    ("Give me ten facts about bees", "give me 10 facts about bees"),
    ("What is 1,000 plus twenty-five?", "What is 1000 + 25?"),
    ("What is 2+2?", "What is 2 + 2?"),
    ("Is 15% of it enough?", "Is 15 percent of it enough?"),
    ("Is 5km a long run for my dog?", "Is 5 kilometres a long run for my dog?"),
    ("What should I do at 9pm?", "What should I do at 9 PM?"),
    ("Who was the 3rd king of England?", "Who was the third king of England?"),
    ("Who fought in World War II?", "Who fought in WW2?"),
    ("What happened on March 5, 1953?", "What happened on 5 March 1953?"),
    ("What is the best 5-day plan?", "What is the best 5 day plan?"),
    ("What can I buy for $50?", "What can I buy for 50 dollars?"),
    # Courtesy.
    ("Hi there! Could you please tell me how whales sleep? Thanks in advance.", "How do whales sleep?"),
    ("I was wondering why the sky is blue.", "Why is the sky blue?"),
    ("Can you tell me if Pluto is a planet?", "Is Pluto a planet?"),
    ("Quick question: how do I quit vim?", "How do I quit vim?"),
    ("Please write a poem about rain.", "Write a poem about rain."),
    ('Translate "cheese" into Italian, please.', 'Translate "cheese" into Italian.'),
    # Frames.
    ("How can I sort a list in Ruby?", "In Ruby, how do I sort a list?"),
    ("How to tie a tie", "Explain to me how to tie a tie."),
    ("What is the capital of Kenya?", "Tell me the capital of Kenya."),
    ("capital of Kenya", "What's the capital of Kenya?"),
    ("If it rains, should I drive?", "Should I drive if it rains?"),
    ("What is the difference between tea and coffee?", "What are the differences between coffee and tea?".replace("are the differences", "is the difference")),
    ("How does TCP differ from UDP?", "What is the difference between UDP and TCP?"),
    ("Explain when the war ended.", "When did the war end?"),
    ("Who's left the room?", "Who's left the room"),
    # Plain synonyms.
    ("How do I fix a flat tire?", "How do I repair a flat tire?"),
    ("What is the biggest lake in the United States?", "What is the largest lake in the US?"),
    ("What are the pros and cons of tea?", "What are the advantages and disadvantages of tea?"),
    # Other languages: courtesy, and what typing does.
    ("Bitte, wo ist der Bahnhof?", "wo ist der Bahnhof"),
    ("¿Dónde está el museo?", "Dónde está el museo?"),
    ("请问怎么做米饭？", "怎么做米饭"),
    ("Où est la gare ?", "Où est la gare?"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_may_differ(a: str, b: str) -> None:
    assert guard(a, b) == ""


DIFFERENT = [
    ("What is x² to you?", "What is x2 to you?", "numbers"),
    ("What is the time?", "What is time?", "scope"),
    ("What is about words: it's?", "What is about words: it is?", "person"),
    ("How do I use `a  b`?", "How do I use `a b`?", "code"),
    ("How do I use `a–b`?", "How do I use `a-b`?", "code"),
    ('What does "Bark" mean?', 'What does "bark" mean?', "quoted"),
    ("What does “a…” mean?", "What does “a...” mean?", "quoted"),
    ("Why is x == 5 here?", "Why is x = 5 here?", "code"),
    ("Is 10 enough?", "Is 11 enough?", "numbers"),
    ("Is -5 cold for you?", "Is 5 cold for you?", "numbers"),
    ("Is 1,00 enough for you?", "Is 100 enough for you?", "numbers"),
    ("Give me 5 kg of it.", "Give me 5 lb of it.", "units"),
    ("Is 5 GB a lot for you?", "Is 5 Gb a lot for you?", "units"),
    ("Is it open on Monday?", "Is it open on Sunday?", "dates"),
    ("What happened in Paris?", "What happened in Rome?", "words"),
    ("What did NASA and Bob do?", "What did NASA and Rob do?", "entities"),
    ("Tell me about Rust.", "Tell me about rust.", "entities"),
    ("What does get_user do?", "What does getUser do?", "entities"),
    ("Is it legal to go?", "Is it not legal to go?", "polarity"),
    ("How do I enable it?", "How do I disable it?", "antonyms"),
    ("Is the list of users ordered?", "Is the list of users unordered?", "antonyms"),
    ("Do all birds fly?", "Do some birds fly?", "scope"),
    ("What is the largest city?", "What is the second largest city?", "comparison"),
    ("Who is the president?", "Who was the president?", "tense"),
    ("Can the bird fly?", "Should the bird fly?", "modality"),
    ("What is my name?", "What is your name?", "person"),
    ("When did it sink?", "Where did it sink?", "question"),
    ("Convert the USD to EUR.", "Convert the EUR to USD.", "direction"),
    ("Do dogs hate cats?", "Do cats hate dogs?", "direction"),
    ("What is a cat?", "Was ist eine Katze?", "language"),
    ("You may go.", "You may go?", "punctuation"),
    ("What is a hot dog?", "What is a dog?", "words"),
    ("What is a synonym for big?", "What is a synonym for large?", "words"),
    ("Er kommt morgen.", "Er kommt morgen?", "punctuation"),
    ("Wie immer.", "Wie immer?", "punctuation"),
    ("Do it now.", "Do it now?", "punctuation"),
    ("So is the plan good?", "Is the plan good?", "words"),
    ("In Ruby, write a program that sorts files.", "Write a program that sorts files in Ruby.", "punctuation"),
    ("What is the difference between tea in Japan and coffee?", "What is the difference between coffee and tea in Japan?", "direction"),
    ("What do you think of le centre de Paris?", "What do you think of le center de Paris?", "words"),
    ('Is "a" <= b  c here?', 'Is "a" <= b c here?', "code"),
    ('Explain f"x" to me.', 'Explain f "x" to me.', "code"),
    ("What is a\x1fcat?", "What is a cat?", "code"),
    ("WHO WILL SAVE US?", "Who will save us?", "person"),
    ("Which is best for me now, Numbers or pen?", "Which is best for me now, numbers or pen?", "entities"),
    ("What is vitamin II good for?", "What is vitamin 2 good for?", "numbers"),
    ("Was haben Sie gesagt?", "Was haben sie gesagt?", "entities"),
    ("What is 5!", "What is 5?", "entities"),
    ("What is (2 + 3)!?", "What is (2 + 3)?", "entities"),
    ("Who dares wins.", "Who dares wins?", "punctuation"),
    ("When it rains, it pours", "When it rains, it pours?", "punctuation"),
    ("What a day", "What a day?", "punctuation"),
    ("Wer A sagt, muss B sagen", "Wer A sagt, muss B sagen?", "punctuation"),
    ("他知道怎么做", "他知道怎么做？", "punctuation"),
    ("With Git, how do I compare a file?", "How do I compare a file with Git?", "punctuation"),
    ("In Python, how do I find jobs?", "How do I find jobs in Python?", "person"),
    ("Who's already taught at Yale?", "Who is already taught at Yale?", "question"),
    ("What is the best TV series?", "What are the best TV series?", "question"),
    ("What is the difference between vitamin a and vitamin c?", "What is the difference between vitamin and vitamin c?", "scope"),
    ("Are the children of divorce sad?", "Are children of divorce sad?", "scope"),
    ("If I lose, should I agree to pay?", "Should I agree to pay if I lose?", "punctuation"),
    ("Do Americans write colour?", "Do Americans write color?", "words"),
    ("How do I read a metre?", "How do I read a meter?", "units"),
    ("How do I react to nuts?", "How can I react to nuts?", "modality"),
    ("Describe The Road", "Describe the road", "entities"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "name"), DIFFERENT)
def test_what_may_not_and_what_it_is_called(a: str, b: str, name: str) -> None:
    assert guard(a, b) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "?", "thanks", "please", "hello", "Hi!", "(((", "the", "how do i", "difference between", "`", "\x1f"],
)
def test_a_text_of_nothing_but_courtesy_stays_what_it_is(text: str) -> None:
    assert guard(text, text) == ""
    assert guard(text, f"{text} cats") != ""


def test_courtesies_are_not_each_other() -> None:
    assert len({signature(features(text)) for text in ("thanks", "please", "hello", "hi", "thank you")}) == 5


def test_a_long_text_is_compared_as_it_stands() -> None:
    text = "Could you please tell me what the capital of France is? " * 200
    assert guard(text, text.replace("Could", "Can")) == "code"
    assert guard(text, text + "  ") == ""


def test_a_signature_has_sixteen_bytes() -> None:
    assert len(signature(features("What is love?"))) == 16
