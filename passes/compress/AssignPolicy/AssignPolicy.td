include "mlir/Pass/PassBase.td"

def AssignPolicy : Pass<"terse-assign-policy", "::mlir::ModuleOp"> {
  let summary = "writes down what later passes are to do with each layer";
  let description = [{
    `rules` is a list `REGEX=KEY:VALUE,...;...`: each linear layer whose name (its own, else its weight's) a regular expression matches gets what stands
    behind it, as the attribute `terse.policy`. Rules go from the first to the last; a later one goes before an earlier one, key by key, and
    all go before a policy that the layer has already. Keys:

    | key | value | obeyed by |
    |---|---|---|
    | `bits` | 2, 3, 4 or 8 | `terse-quantize-weights` |
    | `group_size` | 0 (a row) or more | `terse-quantize-weights` |
    | `symmetric` | true or false | `terse-quantize-weights` |
    | `method` | rtn, gptq or hqq | `terse-quantize-weights` |
    | `sparsity` | 0 or more, less than 1 | pruning |
    | `pattern` | N:M, unstructured | pruning |
    | `keep` | none | all: the layer is left as it is |

    A rule that matches no layer is an error: it is one for layers that are called otherwise. Names with `=` or `;` are matched by a dot.

    Facts: `layers-with-policy`, `layers-without`.

    Example: `--terse-assign-policy="rules=down_proj=bits:8,group_size:64;gate=keep"` turns
    ```mlir
    %y = terse.linear %x, %w {name = "layers.0.down_proj"} : ...
    ```
    into
    ```mlir
    %y = terse.linear %x, %w {name = "layers.0.down_proj", terse.policy = {bits = 8 : i64, group_size = 64 : i64}} : ...
    ```
  }];
  let options = [Option<"rules", "rules", "std::string", "\"\"", "REGEX=KEY:VALUE,...;...">];
  let dependentDialects = ["::terse::TerseDialect"];
}
