// Elements are made of text and properties, never of HTML: a class may have any name.

export const find = (id) => document.getElementById(id);

/** Make an element: make("img", { src, alt }, ...children). A key that begins with "on" is a listener. */
export function make(tag, given = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(given)) {
        if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else if (key === "class") element.className = value;
        else if (key.startsWith("aria-") || key.startsWith("data-")) element.setAttribute(key, value);
        else if (value !== undefined) element[key] = value;
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

/** Make an element of a drawing. */
export function draw(tag, given = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(given)) element.setAttribute(key, value);
    element.append(...children);
    return element;
}

/** Show a line of text in an element, or hide the element if there is none. */
export function tell(element, text) {
    element.hidden = !text;
    element.textContent = text || "";
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

export const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
