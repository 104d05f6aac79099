import { button } from './element.js';

// Behind what is meant to be typed or passed on: a button that copies it.
export function addCopyButtons() {
    for (const place of document.querySelectorAll('.copy')) {
        const code = place.querySelector('code');
        const copy = button('Copy', async () => {
            copy.textContent = (await copied(code)) ? 'Copied' : 'Press Ctrl-C';
            setTimeout(() => (copy.textContent = 'Copy'), 2000);
        });
        copy.className = 'copy-button';
        copy.setAttribute('aria-live', 'polite');
        place.append(copy);
    }
}

// A page that was opened as a file may lack the clipboard's interface; the selection is then left for the user to copy.
async function copied(code) {
    try {
        await navigator.clipboard.writeText(code.textContent);
        return true;
    } catch {
        getSelection().selectAllChildren(code);
        return document.execCommand('copy');
    }
}
