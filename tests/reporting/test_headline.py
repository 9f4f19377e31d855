from pipeline_lib.reporting.headline import cards, findings


def score(top1, images=130, views=1):
    shares = {"top1": top1, "top1_low": top1 - 0.05, "top1_high": min(1, top1 + 0.05)}
    return shares | {"images": images, "n": images * views, "ece": 0.03, "ece_before": 0.2, "ece_of_chance": 0.02}


def metrics(**changes):
    return {
        "confidence": 0.95,
        "leaked_images": 0,
        "corrections": 0,
        "test": score(0.93),
        "test_without_leaks": score(0.93),
        "data_new_test": None,
        "data_new_test_without_leaks": None,
        "temperature": 0.7,
    } | changes


def leaking(top1=0.91, leaked=18, **changes):
    rest = score(top1, 130 - leaked) | {"ece": 0.05, "ece_before": 0.25}
    return metrics(leaked_images=leaked, test_without_leaks=rest, **changes)


def test_a_figure_comes_with_its_interval_and_its_size():
    assert findings(metrics()) == [
        "Of 130 test images the network gets 93.0% right; "
        "with 95% confidence its accuracy on such images lies between 88.0% and 98.0%."
    ]


def test_once_images_leak_the_figure_without_them_comes_first():
    assert findings(leaking()) == [
        "Of 112 test images that are not in train the network gets 91.0% right; "
        "with 95% confidence its accuracy on such images lies between 86.0% and 96.0%.",
        "Test as delivered, with the 18 that are also in train, has 130 test images; of these it gets 93.0% right, "
        "2 points higher.",
    ]
    assert "with the 1 that is also in train" in findings(leaking(leaked=1))[1]
    assert findings(leaking(0.935))[1].endswith("93.0% right, 0.5 points lower.")
    assert findings(leaking(0.93))[1].endswith("93.0% right, just as many.")


def test_a_test_set_that_leaks_altogether_says_so():
    given = metrics(leaked_images=130, test_without_leaks=None)
    assert "says nothing about new images" in findings(given)[1]
    assert [card.label for card in cards(given)] == ["Test", "Calibration error"]


def test_corrected_labels_are_compared_with_those_delivered():
    corrected = {"corrections": 3, "test_corrected": score(0.95, 129)}
    sentence = "With the 3 wrong labels of test corrected, it gets 95.0% of 129 test images right, 2 points higher."
    assert findings(metrics(**corrected))[1] == sentence
    assert findings(leaking(**corrected))[2] == sentence
    assert "With the wrong label of test corrected" in findings(metrics(**corrected | {"corrections": 1}))[1]


def test_noise_is_shown_beside_the_clean_figure_on_the_same_images():
    sentence = findings(metrics(data_new_test=score(0.79, views=5)))[1]
    assert sentence == "On their noisy and rotated copies it gets 79.0% right, 14 points lower."
    noisy = {"data_new_test": score(0.79, views=5), "data_new_test_without_leaks": score(0.77, 112, views=5)}
    assert findings(leaking(**noisy))[2] == "On the noisy and rotated copies of the 112 it gets 77.0% right, 14 points lower."


def test_there_is_a_card_for_every_figure_that_was_measured():
    def labels(given):
        return [card.label for card in cards(given)]

    assert labels(metrics()) == ["Test", "Calibration error"]
    noisy = {"data_new_test": score(0.8, views=5), "data_new_test_without_leaks": score(0.78, 112, views=5)}
    assert labels(leaking(**noisy)) == [
        "Test without leaks",
        "Test as delivered",
        "data_new/test without leaks",
        "Calibration error without leaks",
    ]
    assert labels(metrics(test=None, data_new_test=score(0.8))) == ["data_new/test"]
    assert findings(metrics(test=None)) == []


def test_a_card_on_images_that_do_not_leak_gives_the_figure_as_delivered_beside_it():
    noisy = {"data_new_test": score(0.8, views=5), "data_new_test_without_leaks": score(0.78, 112, views=5)}
    *_, augmented, calibration = cards(leaking(**noisy))
    assert (augmented.value, augmented.note) == (
        "78.0%",
        "noisy and rotated views of 112 test images; as delivered 80.0%",
    )
    assert (calibration.value, calibration.note) == (
        "5.0%",
        "a perfectly calibrated network would show 2.0% on 112 images; before temperature scaling 25.0%; as delivered 3.0%",
    )


def test_scaling_is_mentioned_only_where_there_was_some():
    assert (
        cards(metrics())[-1].note
        == "a perfectly calibrated network would show 2.0% on 130 images; before temperature scaling 20.0%"
    )
    assert cards(metrics(temperature=1.0))[-1].note == "a perfectly calibrated network would show 2.0% on 130 images"
