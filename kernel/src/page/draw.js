function (id, figure, library) {
  "use strict";
  // Plotly once for the whole page: there already, being unpacked by another chart, or unpacked here.
  function unpack() {
    var text = atob(library), bytes = new Uint8Array(text.length);
    for (var i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text().then(function (source) {
      // Module loaders on the page must not take the library away from it.
      var names = ["define", "module", "exports"], kept = names.map(function (name) { return window[name]; });
      names.forEach(function (name) { if (window[name] !== undefined) window[name] = undefined; });
      var script = document.createElement("script");
      script.text = source;
      document.head.appendChild(script);
      names.forEach(function (name, i) { if (kept[i] !== undefined) window[name] = kept[i]; });
      return window.Plotly;
    });
  }
  var place = document.getElementById(id);
  if (!place) return;
  if (!window.Plotly && !window.jookPlotly) window.jookPlotly = unpack();
  Promise.resolve(window.Plotly || window.jookPlotly).then(function (Plotly) {
    return Plotly.newPlot(place, figure);
  }).catch(function (error) {
    place.style.minHeight = "";
    place.textContent = "This chart could not be drawn: " + error;
  });
}
