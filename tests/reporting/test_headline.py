from pipeline_lib.reporting.headline import cards, findings


def score(top1, images=130, views=1):
    return {"top1": top1, "top1_low": top1 - 0.05, "top1_high": min(1, top1 + 0.05), "images": images, "n": images * views}


def metrics(**changes):
    return {
        "confidence": 0.95,
        "leaked_images": 0,
        "test": score(0.93),
        "test_without_leaks": score(0.93),
        "data_new_test": None,
        "temperature": 0.7,
        "ece": 0.03,
        "ece_before": 0.2,
    } | changes


def test_a_figure_comes_with_its_interval_and_its_size():
    assert findings(metrics()) == [
        "Of 130 test images the network gets 93.0% right; "
        "with 95% confidence its accuracy on such images lies between 88.0% and 98.0%."
    ]


def test_leaks_are_told_with_what_they_did():
    def told(leaked, top1):
        return findings(metrics(leaked_images=leaked, test_without_leaks=score(top1, 130 - leaked)))[1]

    assert told(18, 0.91) == "18 of them also stand in train; without them it gets 91.0% right, 2 points lower."
    assert told(1, 0.935) == "1 of them also stands in train; without it it gets 93.5% right, 0.5 points higher."
    assert told(2, 0.93).endswith("it gets 93.0% right, just as many.")


def test_a_test_set_that_leaks_altogether_says_so():
    assert "says nothing about new images" in findings(metrics(leaked_images=130, test_without_leaks=None))[1]
    assert [card.label for card in cards(metrics(leaked_images=130, test_without_leaks=None))] == ["Test", "Calibration error"]


def test_noise_is_told_against_the_clean_figure():
    sentence = findings(metrics(data_new_test=score(0.79, views=5)))[1]
    assert sentence == "On their noisy and rotated copies it gets 79.0% right, 14 points lower."


def test_there_is_a_card_for_every_figure_that_was_measured():
    def labels(**changes):
        return [card.label for card in cards(metrics(**changes))]

    assert labels() == ["Test", "Calibration error"]
    assert labels(leaked_images=3, data_new_test=score(0.8, views=5)) == [
        "Test",
        "Test without leaks",
        "data_new/test",
        "Calibration error",
    ]
    assert labels(test=None, ece=None, data_new_test=score(0.8)) == ["data_new/test"]
    assert findings(metrics(test=None)) == []


def test_scaling_is_told_only_where_there_was_some():
    assert cards(metrics())[-1].note == "0% is perfect; before temperature scaling 20.0%"
    assert cards(metrics(temperature=1.0))[-1].note == "0% is perfect"
