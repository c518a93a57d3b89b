// Draws every figure of the page in the reader's colours, and again when those change.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // What a figure says itself wins over the page's colours: a template only fills gaps.
  function template(own) {
    var axis = {
      gridcolor: colour("--line"), linecolor: colour("--faint"), zerolinecolor: colour("--faint"),
      tickcolor: colour("--faint"), automargin: true
    };
    var filled = JSON.parse(JSON.stringify(own && typeof own === "object" ? own : {}));
    var layout = filled.layout || {};
    filled.layout = Object.assign({
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      colorway: ["#3b76c4", "#d9822b", "#3d9a6c", "#c24d5a", "#8467b8", "#4a9fb0", "#b58a2e", "#7a7f87"],
      colorscale: { sequential: [[0, "#e9f0f8"], [0.5, "#6f9fd3"], [1, "#173f70"]] },
      margin: { t: 56, r: 24, b: 56, l: 64 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--faint"), activecolor: colour("--ink") },
      hoverlabel: { font: { family: colour("--sans") } }
    }, layout);
    filled.layout.font = Object.assign({ color: colour("--ink"), family: colour("--sans") }, layout.font);
    filled.layout.xaxis = Object.assign({}, axis, layout.xaxis);
    filled.layout.yaxis = Object.assign({}, axis, layout.yaxis);
    return filled;
  }

  // The toolkit's charts are inked in a grey that reads on any page; here the colours are known.
  var ANY_PAGE = "#767d87";

  function draw(place) {
    var figure = JSON.parse(place.dataset.figure);
    if (figure.layout.font && figure.layout.font.color === ANY_PAGE) {
      delete figure.layout.font.color;
      delete figure.layout.modebar;
    }
    figure.layout.template = template(figure.layout.template);
    return Plotly.react(place, figure);
  }

  // One that cannot be drawn must not keep the others from it.
  function attempt(place) {
    try { draw(place); } catch (error) {
      place.textContent = "This chart could not be drawn: " + error;
      console.error(error);
    }
  }

  var figures = document.querySelectorAll('.jook-figure > script[type="application/json"]');
  var places = Array.from(figures, function (figure) {
    var place = figure.parentNode;
    place.dataset.figure = figure.textContent;
    place.textContent = "";
    return place;
  });
  places.forEach(attempt);
  dark.addEventListener("change", function () { places.forEach(attempt); });
  // On paper the width is another.
  window.addEventListener("beforeprint", function () {
    places.forEach(function (place) { Plotly.Plots.resize(place); });
  });
})();
