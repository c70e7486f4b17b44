// Runs in the page: text whose contrast is too low, things that can be used and have no name, and what does not fit.
function inspectPage() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', {
    willReadFrequently: true,
  });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  // https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
  const luminance = (color) =>
    color
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) return color;
    }
    return rgba('canvas');
  };
  const low = [];
  for (const element of document.querySelectorAll('#app *')) {
    const text = [...element.childNodes]
      .filter((node) => node.nodeType === 3)
      .map((node) => node.textContent.trim())
      .join('');
    if (text === '' || element.closest('.hidden, :disabled, option, .skip') || element.getClientRects().length === 0)
      continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))].toSorted(
      (x, y) => y - x,
    );
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) low.push(`${text.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  const nameOf = (element) =>
    `${element.textContent}${element.getAttribute('aria-label') ?? ''}${element.labels?.[0]?.textContent ?? ''}`.trim();
  const nameless = [
    ...document.querySelectorAll('button, a, input, select, textarea, [role=progressbar], [role=meter], [role=img]'),
  ]
    .filter((element) => nameOf(element) === '')
    .map((element) => element.outerHTML.slice(0, 80));
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  return {
    low,
    nameless,
    headings: document.querySelectorAll('h1').length,
    doubles: ids.length - new Set(ids).size,
    lang: document.documentElement.lang,
    wide: document.documentElement.scrollWidth,
  };
}

globalThis.inspectPage = inspectPage;
