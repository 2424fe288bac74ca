"""Containers of models are initialized part by part; a copy of a part stays a copy."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit


def network(inputs, outputs):
    hidden = [layers.Dense(16, "relu") for _ in range(8)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


class Container(keras.Model):
    """As in a GAN or a diffusion model: built parts, a `train_step` of its own, no `call`."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


@pytest.fixture
def gan():
    return Container(generator=network(4, 6), discriminator=network(6, 1))


def test_each_part_has_a_graph_of_its_own(gan):
    plan = kerasinit.initialize(gan, seed=1)
    reasons = [row.reason for row in plan if row.kind == "kernel"]
    assert len(reasons) == 18
    assert all(reason.startswith("plain stack, 8 hidden layers") for reason in reasons)


def test_the_output_of_a_part_is_called_so():
    shallow = [keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(8, name="end")]
    plan = kerasinit.initialize(Container(encoder=keras.Sequential(shallow, name="encoder")))
    assert plan["end/kernel"].reason == "the output of 'encoder': unit variance at any width"


def test_every_weight_of_a_container_is_drawn(gan):
    for call in (kerasinit.initialize, kerasinit.reset):
        plan = call(gan, seed=1)
        assert len(plan.changed) == len(gan.weights)
    kerasinit.portable(gan)


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_copy_stays_equal_and_says_so(call):
    online, target = network(4, 2), network(4, 2)
    target.set_weights(online.get_weights())
    plan = call(Container(online=online, target=target), seed=1)
    for one, other in zip(online.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum("stays equal" in row.reason for row in plan) == len(target.weights)
    assert str(plan).count("stays equal") == 2  # of the kernels, and of the biases in one line


class Student(keras.Model):
    """With a teacher, an average of it, whose answers are the targets."""

    def __init__(self, hidden, teacher_hidden, *, is_called):
        super().__init__()
        self.hidden, self.teacher_hidden, self.is_called = hidden, teacher_hidden, is_called
        hidden.build((None, 4))
        teacher_hidden.build((None, 4))
        teacher_hidden.set_weights(hidden.get_weights())

    def call(self, inputs):
        values = self.hidden(inputs)
        if not self.is_called:
            return values
        return values, ops.stop_gradient(self.teacher_hidden(inputs))


@pytest.mark.parametrize("is_called", [False, True])
@pytest.mark.parametrize("in_model", [False, True])
@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_copied_layer_stays_equal_wherever_it_is_called(call, in_model, is_called):
    pair = [layers.Dense(6, "relu") for _ in range(2)]
    if in_model:
        pair = [keras.Sequential([one, layers.Dense(3)]) for one in pair]
    model = Student(*pair, is_called=is_called)
    model(ops.ones((2, 4)))
    call(model, seed=1)
    for one, other in zip(*(part.get_weights() for part in pair), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_target_of_a_called_part_stays_equal_where_seeds_are_equal():
    def part():
        seeded = keras.initializers.HeNormal(seed=4)
        return keras.Sequential([layers.Dense(6, "relu", kernel_initializer=seeded)])

    online, target = part(), part()
    model = Student(online, target, is_called=False)
    model(ops.ones((2, 4)))
    kerasinit.initialize(model, seed=1)
    np.testing.assert_array_equal(online.get_weights()[0], target.get_weights()[0])


def test_a_plan_of_copied_layers_leaves_their_generator_as_it_is():
    generator = keras.random.SeedGenerator(4)
    drawn = keras.initializers.HeNormal(seed=generator)
    pair = [layers.Dense(6, kernel_initializer=drawn) for _ in range(2)]
    model = Student(*pair, is_called=True)
    model(ops.ones((2, 4)))
    before = ops.convert_to_numpy(generator.state)
    kerasinit.initialize(model, dry_run=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(generator.state), before)


@pytest.mark.parametrize("contained", [False, True])
def test_layers_of_equal_seeds_are_no_copies(contained):
    seeded = [
        layers.Dense(8, "relu", kernel_initializer=keras.initializers.HeNormal(seed=4))
        for _ in range(3)
    ]
    net = keras.Sequential([keras.Input((8,)), *seeded])
    np.testing.assert_array_equal(seeded[0].get_weights()[0], seeded[1].get_weights()[0])
    kerasinit.initialize(Container(net=net) if contained else net, seed=1)
    first, second, _ = (layer.get_weights()[0] for layer in seeded)
    assert not np.array_equal(first, second)


def test_parts_of_one_structure_with_weights_of_their_own_differ():
    first, second = network(4, 2), network(4, 2)
    kerasinit.initialize(Container(first=first, second=second), seed=1)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_a_model_with_an_unbuilt_part_is_refused():
    container = Container(first=network(4, 2), second=layers.Dense(3, name="late"))
    with pytest.raises(ValueError, match=r"A part of the model .* has no weights yet: late\. Call"):
        kerasinit.initialize(container)


def test_an_unbuilt_part_that_never_has_weights_hinders_nothing():
    augmented = Container(augment=keras.Sequential([layers.RandomFlip()]), first=network(4, 2))
    assert len(kerasinit.initialize(augmented, seed=1).changed) == len(augmented.weights)


def test_a_container_need_not_be_compiled():
    """As in a diffusion model of keras.io: `compile` makes what its `metrics` names."""

    class Tracked(Container):
        @property
        def metrics(self):
            return [self.loss_tracker]

    model = Tracked(network=network(4, 2))
    for call in (kerasinit.initialize, kerasinit.reset):
        assert len(call(model, seed=1).changed) == len(model.weights)
