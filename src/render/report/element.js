// An element with attributes and children; text is always text, never markup.
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
        else if (value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
}

export function button(text, onclick, attributes = {}) {
    return element('button', { type: 'button', onclick, ...attributes }, text);
}

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];

// As poolkd writes sizes: powers of 1024, three digits.
export function sizeText(bytes) {
    let unit = 0;
    let value = Math.abs(bytes);
    while (value >= (unit === 0 ? 1023.5 : 999.5) && unit + 1 < units.length) {
        value /= 1024;
        ++unit;
    }
    const digits = unit !== 0 && value < 99.95 ? 1 : 0;
    return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${units[unit]}`;
}

export function countText(count) {
    return count.toLocaleString('en-US');
}
