include "mlir/Pass/PassBase.td"

def RotateHadamard : Pass<"terse-rotate-hadamard", "::mlir::ModuleOp"> {
  let summary = "spreads outliers over all channels by Hadamard matrices";
  let description = [{
    QuaRot (Ashkboos et al., 2024), exactly function-preserving before rounding. Channels of activations are multiplied by an orthogonal matrix whose
    entries are all of about the same size, weights by its transpose, so that neither has channels much larger than the others:

    - `stream`: the residual stream, what norms read and linear layers and embeddings write. The norms' gains (and biases) go into the layers that
      read them, so that an RMS norm commutes with the rotation; tables, constants that are added, weights and biases of what writes the stream, and
      weights of what reads it are rotated. A layer norm becomes an RMS norm when the means are taken out of all that is written into its stream.
    - `values`: values of attention, each head by itself, in the layer that computes them and in the one that reads the attention, also with grouped
      queries; cached values are rotated too.
    - `online`: the inputs of the other layers that write a rotated stream (behind a gated feed-forward layer's product) by
      `terse.rotate`, which is work at run time.

    Matrices for the stream and for values have random signs, by `seed`. The sizes are those of `terse/Numerics/Hadamard.h`: Hadamard matrices by Sylvester and Paley where these
    exist, with the cosine transform of the odd part of the size where they do not.

    What the stream is, is found by following values through the graph, not by names. A stream that something else reads or writes (the model's result, a
    norm whose result is added to it, a layer in codes) is left as it is, with the reason. A table that is also the head's weight is then stored twice, since
    the gain of the last norm is in one of the two.

    All weights change at once, so it runs before calibration, by the recipe key `rotate=hadamard` or `--at=normalize:terse-rotate-hadamard`: statistics are of
    the rotated model, and passes refuse others.

    Facts: `streams-rotated`, `norms-left` by reason, `layers-rotated`, `attentions-rotated`, `attentions-left`, `inputs-rotated-online`,
    `inputs-left`, `not-hadamard` (sizes that have the cosine transform in them).

    Example: `--terse-rotate-hadamard` turns
    ```mlir
    %n = terse.norm rms %h, %gain ...
    %u = terse.linear %n, %up ...
    %a = terse.activation relu %u ...
    %d = terse.linear %a, %down ...
    %r = arith.addf %h, %d ...
    ```
    into
    ```mlir
    %n = terse.norm rms %h, %ones ...
    %u = terse.linear %n, %up_rotated ...
    %a = terse.activation relu %u ...
    %t = terse.rotate %a ...
    %d = terse.linear %t, %down_rotated ...
    %r = arith.addf %h, %d ...
    ```
  }];
  let options = [
    Option<"stream", "stream", "bool", "true", "rotate residual streams">,
    Option<"values", "values", "bool", "true", "rotate the values of attention">,
    Option<"online", "online", "bool", "true", "rotate inputs at run time where weights alone cannot">,
    Option<"seed", "seed", "uint64_t", "0", "of the random signs">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
