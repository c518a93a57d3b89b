function (id, figure, library, name) {
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

  // The front end has just taken the last state of a live chart off the page: it goes on here, before anyone sees
  // the gap. What is still on the page, in another view of the same output, stays there.
  function drawLive(Plotly) {
    var charts = window.jookCharts = window.jookCharts || {};
    var views = charts[name] = (charts[name] || []).slice(-4);
    var view = views.find(function (view) { return view.Plotly === Plotly && !view.node.isConnected; });
    if (!view) views.push(view = { Plotly: Plotly, node: document.createElement("div") });
    // JupyterLab keeps a margin at the right of HTML that it does not keep beside charts.
    var around = place.closest(".jp-RenderedHTMLCommon");
    if (around) place.style.marginRight = "-" + getComputedStyle(around).paddingRight;
    place.appendChild(view.node);
    return Plotly.react(view.node, figure);
  }

  function failed(error) {
    place.style.minHeight = "";
    place.textContent = "This chart could not be drawn: " + error;
  }

  if (name !== null && window.Plotly) {
    // At once: a promise might let the page be painted without the chart.
    try { drawLive(window.Plotly).catch(failed); } catch (error) { failed(error); }
    return;
  }
  if (!window.Plotly && !window.jookPlotly && library) window.jookPlotly = unpack();
  Promise.resolve(window.Plotly || window.jookPlotly).then(function (Plotly) {
    // Without the library the chart is drawn when its cell ends, or when its slider comes to rest.
    if (!Plotly) return;
    return name === null ? Plotly.newPlot(place, figure) : drawLive(Plotly);
  }).catch(failed);
}
