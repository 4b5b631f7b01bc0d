// Say on the page "Try it now" why the notebooks cannot run in this browser, if they cannot.
// Written in the JavaScript of 2009, so that an old browser can read it.
(function () {
  "use strict";

  // A module with a function that catches an exception: Pyodide's code is full of them.
  var catching = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
    10, 8, 1, 6, 0, 6, 64, 25, 11, 11];

  // Return true if a worker may be a module: a browser that knows such workers asks for the type.
  function hasModuleWorkers() {
    var asked = false, worker;
    try {
      worker = new Worker("data:text/javascript,", { get type() { asked = true; return "module"; } });
      worker.terminate();
    } catch (error) { /* a browser may refuse the address, after it has asked */ }
    return asked;
  }

  function problem() {
    if (typeof WebAssembly !== "object" || typeof WebAssembly.validate !== "function") {
      return "This browser has no WebAssembly, or it is switched off: the notebooks cannot run here.";
    }
    if (!WebAssembly.validate(new Uint8Array(catching)) || typeof BigInt64Array !== "function"
        || !hasModuleWorkers()) {
      return "This browser is too old for Python in WebAssembly: the notebooks cannot run here.";
    }
    if (location.protocol === "file:") {
      return "This page was opened as a file, and the notebooks need a server: see the end of this page.";
    }
    return "";
  }

  function show(text) {
    var paragraph = document.getElementById("lite-problem");
    paragraph.textContent = text + " What else you can do stands below.";
    paragraph.hidden = false;
  }

  var text = problem();
  if (text) {
    show(text);
  } else {
    fetch("lite/jupyter-lite.json").then(function (answer) {
      if (!answer.ok) {
        show("The notebooks were not built into this site: python docs/build_lite.py does it.");
      }
    }, function () { /* offline: the link itself will say so */ });
  }
})();
