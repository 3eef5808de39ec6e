// RUN: split-file %s %t
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="level=sse9" 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t.none" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/text" 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/version" 2>&1 | FileCheck %s --check-prefix=VERSION
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/format" 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/level" 2>&1 | FileCheck %s --check-prefix=ENTRY-LEVEL
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/key" 2>&1 | FileCheck %s --check-prefix=KEY
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/number" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not terse-opt %t/module.mlir --terse-select-kernel="tuning=%t/bounds" 2>&1 | FileCheck %s --check-prefix=BOUNDS

// LEVEL: error: expected the level baseline, avx2, avx512vnni or avx512bf16; got 'sse9'
// NONE: error: tuning '{{.*}}.none': cannot read it: No such file or directory
// TEXT: error: tuning '{{.*}}text': no JSON:
// VERSION: error: tuning '{{.*}}version': expected an object with "terse_tuning": 1 and "entries"
// FORMAT: error: tuning '{{.*}}format': entry 0: expected an object with "level" and "format"
// ENTRY-LEVEL: error: tuning '{{.*}}level': entry 1: expected the level baseline, avx2, avx512vnni or avx512bf16; got 'avx9'
// KEY: error: tuning '{{.*}}key': entry 0: unknown key 'few_row'
// NUMBER: error: tuning '{{.*}}number': entry 0: expected a whole number from 0 on for 'few_rows'
// BOUNDS: error: tuning '{{.*}}bounds': entry 0: expected 2 to 16 rows; got 64
//--- module.mlir
module {
}
//--- text
rows = 4
//--- version
{"terse_tuning": 2, "entries": []}
//--- format
{"terse_tuning": 1, "entries": [{"level": "avx2"}]}
//--- level
{"terse_tuning": 1, "entries": [{"level": "avx2", "format": "w4"}, {"level": "avx9", "format": "w4"}]}
//--- key
{"terse_tuning": 1, "entries": [{"level": "avx2", "format": "w4", "few_row": 4}]}
//--- number
{"terse_tuning": 1, "entries": [{"level": "avx2", "format": "w4", "few_rows": "4"}]}
//--- bounds
{"terse_tuning": 1, "entries": [{"level": "avx2", "format": "w4", "few_rows": 64}]}
