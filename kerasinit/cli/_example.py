"""A specification to begin with: `kerasinit compare --example > spec.toml`."""

EXAMPLE = """\
# What `kerasinit compare spec.toml` trains: every combination of the lists below.
# Lines that begin with # show what else is possible.

# "mlp", "cnn", "resnet", "lstm", "transformer", or your own as "package.module:function".
models = ["mlp"]
# "digits", "breast_cancer", "circle", "xor", "gauss", "spiral", "keras:mnist", or "file.npz" with
# the arrays x and y (whole-number labels), and x_val and y_val if you like. Columns of a table
# are standardised one by one, pictures (examples, height, width) as a whole.
data = ["digits"]
# Names of Keras' initializers and ours, "initialize" (kerasinit.initialize(model)), "lsuv", or
# configs with a label.
initializers = [
    "glorot_uniform",
    "he_normal",
    "kerasinit>Auto",
    "initialize",
    {label = "normal 0.05", class_name = "RandomNormal", config = {stddev = 0.05}},
]
activations = ["relu", "tanh"]
depths = [3, 20]  # hidden layers or blocks
widths = [64]  # units of a hidden layer
learning_rates = [0.1, 0.01]  # each initializer counts at its best one
epochs = 8
batch_size = 64
seeds = 3  # how many; or which: [0, 1, 2]
target = 0.9  # validation accuracy whose epoch is reported
shuffle_seed = 0

[optimizer]
class_name = "SGD"
config = {momentum = 0.9}
"""
