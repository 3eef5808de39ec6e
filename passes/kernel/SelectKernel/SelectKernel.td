include "mlir/Pass/PassBase.td"

def SelectKernel : Pass<"terse-select-kernel", "::mlir::ModuleOp"> {
  let summary = "chooses the blocks in which layers are computed";
  let description = [{
    Writes a `#kernel.tiling` to each `kernel.qlinear` and `kernel.linear` that has none; `terse-lower-linear` follows it. No choice changes a result.

    Choices are of a CPU level, and of a format of weights: `w4`, `w4-2:4` (sparse), `nf4`, `w4-float` (codes whose input is not rounded),
    `f32`, `f16`, `bf16`. They come from a file of measurements (`tuning`, as `terse-bench --tune` writes it), which may also tell groups and shapes apart: of the format's
    entries for this level the one whose group, then N and K, are nearest in their logarithms. What it has no entry for comes from built-in tables.

    ```json
    {"terse_tuning": 1, "cpu": "AMD EPYC", "entries": [
      {"level": "avx2", "format": "w4", "group_size": 32, "n": 5632, "k": 2048,
       "one_panels": 1, "one_prefetch": 1536, "few_rows": 4, "few_panels": 1, "many_rows": 4, "many_panels": 1,
       "unpacked_rows": 2, "unpacked_panels": 2, "unpacked_from": 24, "prefetch": 1536, "far_prefetch": 0} ]}
    ```

    The level `avx512bf16` has entries for `bf16` alone; those of other formats are `avx512vnni`'s.

    `group_size` 0 is one group a channel; `group_size`, `n` and `k` may be left out, as may any number of a tiling, which then is the built-in one.

    Facts: `selected`, `tuned` (by the file).
  }];
  let options = [
    Option<"level", "level", "std::string", "\"baseline\"", "CPU level: baseline, avx2, avx512vnni or avx512bf16">,
    Option<"tuning", "tuning", "std::string", "\"\"", "file of measurements; empty: built-in tables">
  ];
  let dependentDialects = ["::terse::kernel::KernelDialect"];
}
