// The ECG viewer: zoom, calipers, scale of the screen. Written for this page; needs nothing else.
// One unit of the drawing is one millimetre of paper, so that a caliper reads ms and mV off the drawing itself.
(() => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const ZOOMS = [0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4];
  const FINE = 0.25, COARSE = 5; // mm a key press
  const KEPT = "cardiofusion.millimetre"; // how long a CSS millimetre of this screen must be drawn

  const kept = () => {
    try {
      const factor = Number.parseFloat(localStorage.getItem(KEPT));
      return factor >= 0.6 && factor <= 1.6 ? factor : 1;
    } catch {
      return 1; // a browser that keeps nothing
    }
  };
  const keep = (factor) => {
    try {
      localStorage.setItem(KEPT, String(factor));
    } catch {
      // it holds until the page is left
    }
  };
  const made = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent?.append(element);
    return element;
  };
  const filled = (words, values) => words.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
  const clamped = (value, low, high) => Math.min(high, Math.max(low, value));

  // A sheet of paper and how large it is shown. zoom 1 is true scale.
  class Sheet {
    constructor(box) {
      this.box = box;
      this.svg = box.querySelector("svg.ecg-paper");
      [, , this.width, this.height] = this.svg.getAttribute("viewBox").split(" ").map(Number);
      this.zoom = 1;
    }

    show(zoom, factor) {
      const middle = (this.box.scrollLeft + this.box.clientWidth / 2) / Math.max(1, this.box.scrollWidth);
      const before = this.zoom;
      this.zoom = zoom;
      this.svg.setAttribute("width", `${this.width * zoom * factor}mm`);
      this.svg.setAttribute("height", `${this.height * zoom * factor}mm`);
      if (zoom !== before) this.box.scrollLeft = middle * this.box.scrollWidth - this.box.clientWidth / 2;
    }

    fitting(factor) {
      const natural = this.svg.getBoundingClientRect().width / (this.zoom * factor);
      return this.box.clientWidth / (natural * factor);
    }

    // Where a pointer is, in mm of the drawing.
    place(event) {
      const rectangle = this.svg.getBoundingClientRect();
      return {
        x: clamped(((event.clientX - rectangle.left) / rectangle.width) * this.width, 0, this.width),
        y: clamped(((event.clientY - rectangle.top) / rectangle.height) * this.height, 0, this.height),
      };
    }
  }

  // Two crosses on the paper; what lies between them is time and voltage.
  class Calipers {
    constructor(sheet, words, tell) {
      this.sheet = sheet;
      this.words = words;
      this.tell = tell;
      this.speed = Number(sheet.svg.dataset.speed);
      this.gain = Number(sheet.svg.dataset.gain);
      this.calibrated = sheet.svg.dataset.calibrated === "yes";
      this.group = made("g", { class: "calipers" }, sheet.svg);
      this.span = made("rect", { class: "caliper-span" }, this.group);
      sheet.svg.setAttribute("role", "group"); // an image has no parts that could be operated
      sheet.svg.setAttribute("aria-label", sheet.svg.querySelector("title").textContent);
      const left = this.visible();
      this.crosses = [
        this.cross({ x: left, y: sheet.height * 0.3 }, "1", words.first),
        this.cross({ x: left + this.speed * 0.8, y: sheet.height * 0.3 - this.gain }, "2", words.second),
      ];
      this.drawn();
      this.dragging = (event) => this.drag(event);
      sheet.svg.addEventListener("pointerdown", this.dragging);
    }

    remove() {
      this.sheet.svg.removeEventListener("pointerdown", this.dragging);
      this.group.remove();
      this.sheet.svg.setAttribute("role", "img");
      this.sheet.svg.removeAttribute("aria-label");
    }

    // A place inside what is scrolled into view.
    visible() {
      const { box, width } = this.sheet;
      const share = box.scrollWidth ? (box.scrollLeft + box.clientWidth * 0.2) / box.scrollWidth : 0;
      return clamped(share * width, 16, Math.max(16, width - this.speed * 0.8 - 6));
    }

    cross(at, name, label) {
      const element = made("g", { class: "caliper", tabindex: "0", role: "slider", "aria-label": label, "aria-valuemin": "0", "data-name": name }, this.group);
      element.setAttribute("aria-valuemax", ((this.sheet.width / this.speed) * 1000).toFixed(0));
      const parts = {
        down: made("line", {}, element),
        across: made("line", {}, element),
        grip: made("circle", { class: "grip", r: 6 }, element),
        knob: made("circle", { class: "knob", r: 1.8 }, element),
        name: made("text", {}, element),
      };
      parts.name.textContent = name;
      const cross = { ...at, element, parts };
      element.addEventListener("keydown", (event) => this.key(event, cross));
      element.addEventListener("pointerdown", (event) => this.grab(event, cross));
      return cross;
    }

    key(event, cross) {
      const step = event.shiftKey ? COARSE : FINE;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      const [x, y] = moves[event.key];
      this.move(cross, { x: cross.x + x, y: cross.y + y });
      cross.element.scrollIntoView({ block: "nearest", inline: "nearest" });
    }

    grab(event, cross) {
      event.preventDefault();
      event.stopPropagation();
      cross.element.focus({ preventScroll: true });
      this.follow(event, cross);
    }

    // A mouse or pen opens the calipers anew from where it is pressed; a finger scrolls.
    drag(event) {
      if (event.pointerType === "touch" || event.button !== 0) return;
      event.preventDefault();
      const [first, second] = this.crosses;
      this.move(first, this.sheet.place(event));
      this.move(second, this.sheet.place(event));
      second.element.focus({ preventScroll: true });
      this.follow(event, second);
    }

    follow(event, cross) {
      const target = cross.element;
      target.setPointerCapture(event.pointerId);
      const moved = (next) => this.move(cross, this.sheet.place(next));
      const ended = () => {
        target.removeEventListener("pointermove", moved);
        target.removeEventListener("pointerup", ended);
        target.removeEventListener("pointercancel", ended);
      };
      target.addEventListener("pointermove", moved);
      target.addEventListener("pointerup", ended);
      target.addEventListener("pointercancel", ended);
    }

    move(cross, place) {
      cross.x = clamped(place.x, 0, this.sheet.width);
      cross.y = clamped(place.y, 0, this.sheet.height);
      this.drawn();
    }

    drawn() {
      const [first, second] = this.crosses;
      for (const { x, y, element, parts } of this.crosses) {
        for (const [key, value] of [["x1", x], ["x2", x], ["y1", 0], ["y2", this.sheet.height]]) parts.down.setAttribute(key, value);
        for (const [key, value] of [["x1", x - 12], ["x2", x + 12], ["y1", y], ["y2", y]]) parts.across.setAttribute(key, value);
        for (const part of [parts.grip, parts.knob]) {
          part.setAttribute("cx", x);
          part.setAttribute("cy", y);
        }
        parts.name.setAttribute("x", x);
        parts.name.setAttribute("y", y + 1);
        element.setAttribute("aria-valuenow", ((x / this.speed) * 1000).toFixed(0));
        element.setAttribute("aria-valuetext", this.reading());
      }
      const low = Math.min(first.x, second.x), top = Math.min(first.y, second.y);
      this.span.setAttribute("x", low);
      this.span.setAttribute("y", top);
      this.span.setAttribute("width", Math.abs(first.x - second.x));
      this.span.setAttribute("height", Math.abs(first.y - second.y));
      this.tell(this.reading());
    }

    reading() {
      const [first, second] = this.crosses ?? [];
      if (!second) return "";
      const ms = (Math.abs(second.x - first.x) / this.speed) * 1000;
      const mv = Math.abs(first.y - second.y) / this.gain;
      const values = { ms: ms.toFixed(0), mv: mv.toFixed(2), rate: ms > 0 ? (60000 / ms).toFixed(0) : "–" };
      if (!this.calibrated) return filled(this.words.time, values);
      return filled(ms >= 150 && ms <= 4000 ? this.words.difference : this.words.slow, values);
    }
  }

  class Viewer {
    constructor(section) {
      this.section = section;
      section.dataset.live = "";
      this.factor = kept();
      this.sheets = [...document.querySelectorAll("[data-paper]")].filter((box) => box.querySelector("svg.ecg-paper")).map((box) => new Sheet(box));
      this.sheet = this.sheets.find((sheet) => section.contains(sheet.box));
      if (!this.sheet) return;
      this.tools = section.querySelector("[data-tools]");
      this.tools.hidden = false;
      this.reading = section.querySelector("[data-reading]");
      this.button = section.querySelector("[data-calipers]");
      this.button.addEventListener("click", () => this.measure(!this.calipers));
      for (const button of section.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => this.zoomed(button.dataset.zoom));
      this.sheet.box.addEventListener("keydown", (event) => this.key(event));
      this.ruler(section.querySelector("[data-ruler]"));
      this.show(1);
    }

    key(event) {
      const wanted = { "+": "+", "=": "+", "-": "-", "−": "-", 0: "true" }[event.key];
      if (event.key === "Escape" && this.calipers) this.measure(false);
      if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.zoomed(wanted);
    }

    zoomed(wanted) {
      const now = this.sheet.zoom;
      const steps = {
        "+": () => ZOOMS.find((zoom) => zoom > now * 1.01) ?? ZOOMS.at(-1),
        "-": () => ZOOMS.findLast((zoom) => zoom < now * 0.99) ?? ZOOMS[0],
        true: () => 1,
        fit: () => clamped(this.sheet.fitting(this.factor), 0.2, 4),
      };
      this.show(steps[wanted]());
    }

    show(zoom) {
      for (const sheet of this.sheets) sheet.show(zoom, this.factor);
      this.section.querySelector("[data-zoom-shown]").textContent = filled(this.section.dataset.sayZoom, { zoom: Math.round(zoom * 100) });
    }

    measure(on) {
      this.button.setAttribute("aria-pressed", String(on));
      this.sheet.box.toggleAttribute("data-measuring", on);
      this.calipers?.remove();
      this.calipers = null;
      this.reading.textContent = "";
      if (!on) return;
      const { sayDifference, saySlow, sayTime, sayFirst, saySecond } = this.section.dataset;
      const words = { difference: sayDifference, slow: saySlow, time: sayTime, first: sayFirst, second: saySecond };
      this.calipers = new Calipers(this.sheet, words, (said) => { this.reading.textContent = said; });
      this.calipers.crosses[0].element.focus({ preventScroll: true });
    }

    ruler(details) {
      if (!details) return;
      details.hidden = false;
      const slider = details.querySelector("[data-ruler-factor]");
      const bar = details.querySelector("[data-ruler-bar]");
      const shown = details.querySelector("[data-ruler-shown]");
      const drawn = () => {
        bar.setAttribute("width", `${85.6 * this.factor}mm`);
        shown.textContent = `${(this.factor * 100).toFixed(1)} %`;
      };
      slider.value = String(this.factor * 100);
      drawn();
      slider.addEventListener("input", () => {
        this.factor = Number(slider.value) / 100;
        keep(this.factor);
        drawn();
        this.show(this.sheet.zoom);
      });
    }
  }

  const begin = (root) => {
    for (const section of root.querySelectorAll("[data-viewer]:not([data-live])")) new Viewer(section);
    if (root.matches?.("[data-viewer]:not([data-live])")) new Viewer(root);
    for (const button of root.querySelectorAll("[data-print]")) {
      button.hidden = false;
      button.addEventListener("click", () => window.print());
    }
  };
  begin(document);
  document.addEventListener("htmx:load", (event) => begin(event.detail.elt));
})();
