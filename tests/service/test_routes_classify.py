"""POST /classify: the answer itself."""

import pytest

FIELDS = {"label", "codepoint", "character", "form", "name", "script", "probability", "equivalents"}


def labels(response):
    assert response.status_code == 200, response.text
    return [prediction["label"] for prediction in response.json()["predictions"]]


def test_a_picture_is_recognised_with_the_fields_clients_rely_on(client, picture):
    answer = client.post("/classify", content=picture("1593_init")).json()
    assert set(answer) == {"model", "known", "predictions"}
    assert answer["known"] is True
    best = answer["predictions"][0]
    assert best.pop("probability") > 0.5
    assert best == {
        "label": "1593_init",
        "codepoint": "U+0639",
        "character": "\u0639",
        "form": "init",
        "name": "ARABIC LETTER AIN",
        "script": "Arab",
        "equivalents": [],
    }
    assert all(set(prediction) == FIELDS for prediction in answer["predictions"][1:])


def test_every_answer_names_the_model(client, picture):
    model = client.post("/classify", content=picture("65")).json()["model"]
    assert (model["name"], model["version"]) == ("stars", "1.0")
    assert model["digest"].startswith("sha256:")
    assert len(model["digest"]) == 71
    assert client.get("/models").json()["models"][0]["digest"] == model["digest"]


def test_a_label_without_form_says_null_and_lists_its_equivalents(client, picture):
    best = client.post("/classify", content=picture("65")).json()["predictions"][0]
    assert (best["label"], best["form"], best["equivalents"]) == ("65", None, ["913", "1040"])


def test_k_says_how_many_and_five_is_the_default(client, picture):
    assert len(labels(client.post("/classify", content=picture("65")))) == 5
    assert len(labels(client.post("/classify?k=1", content=picture("65")))) == 1
    assert len(labels(client.post("/classify?k=100", content=picture("65")))) == 10


def test_probabilities_fall_and_sum_to_one_over_all_labels(client, picture):
    found = client.post("/classify?k=100", content=picture("98")).json()["predictions"]
    probabilities = [prediction["probability"] for prediction in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)


def test_the_height_tells_o_from_O(client, picture):
    only = {"labels": "79,111", "prior": "uniform"}
    tall = labels(client.post("/classify", params=only | {"height": 0.7}, content=picture("79")))
    small = labels(client.post("/classify", params=only | {"height": 0.5}, content=picture("79")))
    assert (tall[0], small[0]) == ("79", "111")


@pytest.mark.parametrize("name", ["width", "height", "bottom", "advance"])
def test_each_metric_reaches_the_model(client, picture, name):
    without = client.post("/classify", content=picture("98")).json()["predictions"]
    given = client.post("/classify", params={name: 0.9}, content=picture("98")).json()["predictions"]
    assert given != without


def test_the_prior_prefers_what_fonts_have(client, picture):
    only = {"labels": "65,913,1040", "height": 0.7}
    fonts = client.post("/classify", params=only, content=picture("65")).json()["predictions"]
    uniform = client.post("/classify", params=only | {"prior": "uniform"}, content=picture("65")).json()[
        "predictions"
    ]
    assert [p["label"] for p in fonts] == ["65", "913", "1040"]
    assert fonts[0]["probability"] == pytest.approx(40 / 61, abs=1e-3)
    assert [p["probability"] for p in uniform] == pytest.approx([1 / 3] * 3, abs=1e-3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"scripts": "Arab"}, {"1593_isol", "1593_init", "1593_medi", "1608_isol"}),
        ({"scripts": "arab, GREK"}, {"1593_isol", "1593_init", "1593_medi", "1608_isol", "913"}),
        ({"charset": "bo"}, {"98", "111"}),
        ({"charset": "\ufecb"}, {"1593_isol", "1593_init", "1593_medi"}),  # ain's initial presentation form
        ({"charset": "\u0639A"}, {"1593_isol", "1593_init", "1593_medi", "65"}),
        ({"labels": "65,1593_init"}, {"65", "1593_init"}),
        ({"labels": "65227_init,65"}, {"65", "1593_init"}),
        ({"scripts": "Latn", "charset": "A\u0391"}, {"65"}),
    ],
)
def test_only_possible_labels_are_answered(client, picture, query, expected):
    response = client.post("/classify?k=100", params=query | {"k": 100}, content=picture("79"))
    assert set(labels(response)) == expected
    assert sum(p["probability"] for p in response.json()["predictions"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("query", [{"scripts": "Thai"}, {"charset": "z"}, {"labels": "122"}])
def test_nothing_possible_is_a_problem(client, picture, is_problem, query):
    is_problem(client.post("/classify", params=query, content=picture("79")), 422, "no-candidates")


@pytest.mark.parametrize("labels", ["x", "65_", "65,1593_middle", "99999999"])
def test_a_label_that_is_none_is_a_problem(client, picture, is_problem, labels):
    is_problem(client.post("/classify", params={"labels": labels}, content=picture("79")), 422, "bad-label")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "0"), ("k", "-1"), ("k", "101"), ("k", "many"), ("k", "9" * 5000), ("prior", "mine"),
        ("scripts", "Latin"), ("scripts", "1234"), ("charset", "x" * 10_001), ("model", "m" * 201),
        ("width", "nan"), ("height", "inf"), ("bottom", "-65"), ("advance", "-0.1"), ("width", "wide"),
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_named_but_not_repeated(client, picture, is_problem, name, value):
    response = client.post("/classify", params={name: value}, content=picture("79"))
    document = is_problem(response, 422, "invalid-request")
    assert document["errors"][0]["location"] == ["query", name]
    assert set(document["errors"][0]) == {"location", "message"}
    assert len(response.content) < 1000


def test_a_model_is_asked_for_by_name_or_digest(client, picture, is_problem):
    digest = client.get("/models").json()["models"][0]["digest"]
    for name in ("stars", digest):
        assert client.post("/classify", params={"model": name}, content=picture("79")).status_code == 200
    is_problem(
        client.post("/classify", params={"model": "other"}, content=picture("79")), 404, "unknown-model"
    )


@pytest.mark.parametrize(("look", "known"), [("1593_medi", True), ("?!", False)])
def test_a_picture_like_nothing_learned_is_not_known(client, picture, look, known):
    answer = client.post("/classify", content=picture(look)).json()
    assert answer["known"] is known
    assert answer["predictions"]


@pytest.mark.parametrize("query", ["", "k=2", "k=2&charset=bo", "k=0", "labels=nonsense", "width=0.4&k=1"])
def test_who_asks_again_in_the_same_words_is_answered_again_in_the_same_words(client, picture, query):
    first, again = (client.post(f"/classify?{query}", content=picture("98")) for _ in range(2))
    assert first.status_code == again.status_code
    if first.status_code == 200:
        assert first.json() == again.json()
    else:
        assert first.json()["type"] == again.json()["type"]


def test_metrics_in_the_body_do_not_stay_for_who_asks_next(client, picture):
    alone = client.post("/classify", content=picture("79")).json()
    told = client.post("/classify", files={"image": ("o.png", picture("79"))}, data={"width": "0.1"})
    assert told.status_code == 200
    assert client.post("/classify", content=picture("79")).json() == alone
