// Run Python programs in Pyodide: Python as browsers have it, compiled to WebAssembly, with 32 bits.
//
//     node run_in_pyodide.mjs DISTRIBUTION CHECKOUT PROGRAM [ARGUMENT ...]
//
// DISTRIBUTION is the folder of a Pyodide distribution, CHECKOUT becomes /checkout, and PROGRAM, a
// path below CHECKOUT, finds the library there and its arguments in sys.argv.
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [distribution, checkout, ...argv] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(path.join(distribution, "pyodide.mjs")).href);
const pyodide = await loadPyodide({ indexURL: distribution + path.sep });
const packages = process.env.PYODIDE_PACKAGES ?? "numpy scipy matplotlib";
for (const name of packages.split(" ").filter(Boolean)) {
  const loaded = await pyodide.loadPackage(name, { messageCallback() {} });
  if (loaded.length === 0 && !(name in pyodide.loadedPackages)) {
    console.error(`${distribution} has no ${name}`);
    process.exit(2);
  }
}
pyodide.FS.mkdir("/checkout");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: checkout }, "/checkout");
pyodide.globals.set("argv", pyodide.toPy(argv));
try {
  pyodide.runPython(`
import os, runpy, sys
os.environ["MPLBACKEND"] = "agg"
sys.dont_write_bytecode = True
sys.path.insert(0, "/checkout")
os.chdir("/checkout")
sys.argv = list(argv)
runpy.run_path(sys.argv[0], run_name="__main__")
`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
