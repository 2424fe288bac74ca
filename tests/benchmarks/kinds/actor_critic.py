"""Actor and critic: proximal policy optimization on a cart with a pole."""

import keras
import numpy as np
from keras import layers, ops
from starts import by, ours, own

TITLE = (
    "Actor-critic (PPO on cart-pole, 32 carts x 64 steps x 25 rounds): mean length of the episodes "
    "that ended in the last 5 rounds, up to 500 (higher is better)"
)
STARTS = {"Keras": own, "ours": ours, "rl": by("rl")}
CELLS = {
    f"{activation}, Adam {rate:g}": {"activation": activation, "rate": rate}
    for activation in ("tanh", "relu")
    for rate in (1e-3, 3e-3)
}
CARTS, STEPS, ROUNDS, LAST = 32, 64, 25, 5
GAMMA, LAMBDA, CLIP = 0.99, 0.95, 0.2


class Carts:
    """Barto, Sutton and Anderson's cart-pole, many at once; the constants are those of Gym."""

    def __init__(self, count, rng):
        self.rng, self.state, self.age = rng, rng.uniform(-0.05, 0.05, (count, 4)), np.zeros(count)

    def step(self, action):
        _, v, angle, spin = self.state.T
        force = np.where(action == 1, 10.0, -10.0)
        push = (force + 0.05 * spin**2 * np.sin(angle)) / 1.1
        turn = (9.8 * np.sin(angle) - np.cos(angle) * push) / (
            0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1)
        )
        speed = push - 0.05 * turn * np.cos(angle) / 1.1
        self.state = self.state + 0.02 * np.stack([v, speed, spin, turn], 1)
        self.age += 1
        fell = (abs(self.state[:, 0]) > 2.4) | (abs(self.state[:, 2]) > 0.2095)
        over = fell | (self.age >= 500)
        ages = self.age[over]
        self.state[over] = self.rng.uniform(-0.05, 0.05, (over.sum(), 4))
        self.age[over] = 0
        return fell, over, ages


def clipped(y_true, logits):
    """The loss of a policy; `y_true` holds action, advantage and old log probability."""
    action, advantage, old = y_true[:, 0], y_true[:, 1], y_true[:, 2]
    logs = ops.log_softmax(logits)
    new = ops.where(action > 0.5, logs[:, 1], logs[:, 0])
    ratio = ops.exp(new - old)
    gain = ops.minimum(ratio * advantage, ops.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage)
    return -gain + 0.01 * ops.sum(ops.exp(logs) * logs, axis=-1)


def model_of(activation):
    inputs = keras.Input((4,))
    actor = critic = inputs
    for _ in range(2):
        actor, critic = layers.Dense(64, activation)(actor), layers.Dense(64, activation)(critic)
    heads = [layers.Dense(2, name="policy")(actor), layers.Dense(1, name="value")(critic)]
    return keras.Model(inputs, heads)


def train(draw, seed, activation, rate):
    rng = np.random.default_rng(seed)
    model = model_of(activation)
    draw(model, seed)
    model.compile(keras.optimizers.Adam(rate, clipnorm=0.5), [clipped, "mse"], [1.0, 0.5])
    carts, lengths = Carts(CARTS, rng), []

    def asked(x):
        return [np.asarray(ops.convert_to_numpy(one)) for one in model(x.astype("float32"))]

    for round_ in range(ROUNDS):
        rows, values, rewards, ends = [], [], [], []
        for _ in range(STEPS):
            logits, value = asked(carts.state)
            logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            action = (rng.random(CARTS) < np.exp(logs[:, 1])).astype(int)
            rows.append((carts.state, action, logs[np.arange(CARTS), action]))
            values.append(value[:, 0])
            _, over, ages = carts.step(action)
            rewards.append(np.ones(CARTS))
            ends.append(over)
            lengths += [(round_, age) for age in ages]
        values.append(asked(carts.state)[1][:, 0])
        ahead, advantages = 0.0, np.zeros((STEPS, CARTS))
        for t in reversed(range(STEPS)):
            going = 1 - ends[t]
            error = rewards[t] + GAMMA * values[t + 1] * going - values[t]
            advantages[t] = ahead = error + GAMMA * LAMBDA * going * ahead
        returns = (advantages + values[:STEPS]).reshape(-1, 1)
        flat = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        states, actions, logs = (np.concatenate(part) for part in zip(*rows, strict=True))
        policy = np.stack([actions, flat.reshape(-1), logs], 1)
        targets = [policy.astype("float32"), returns.astype("float32")]
        model.fit(states.astype("float32"), targets, batch_size=256, epochs=4, verbose=0)
    last = [age for round_, age in lengths if round_ >= ROUNDS - LAST] or [500.0]
    return float(np.mean(last))
