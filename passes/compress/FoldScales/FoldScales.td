include "mlir/Pass/PassBase.td"

def FoldScales : Pass<"terse-fold-scales", "::mlir::ModuleOp"> {
  let summary = "puts scales of channels into what computes them";
  let description = [{
    `terse.scale_channels` by constants of a value that nothing else reads goes into the operation that makes it: a norm's gain (and bias), a linear layer's weight (and
    bias), the scales of its codes (which become f32 where f16 would lose them), or one factor of a product. Scales of weights become new weights in the weight's float type, one weight in
    memory at a time. What cannot be folded stays, as work at run time. Run it behind the passes that take statistics: these are of values before smoothing.

    Facts: `scales-folded`, `scales-left` (of activations), `weights-scaled`.

    Example:
    ```mlir
    %x = terse.norm rms %h, %gain ...
    %y = terse.scale_channels %x, %scale {axis = 2 : i64} ...
    ```
    becomes
    ```mlir
    %y = terse.norm rms %h, %gain_times_scale ...
    ```
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
