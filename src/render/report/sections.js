// A link to a suspect opens its section.
export function openTargets() {
    const open = () => {
        const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
        const details = target && target.querySelector('details');
        if (details) details.open = true;
    };
    addEventListener('hashchange', open);
    open();
}

// On paper nothing can be opened: suspects and their stacks are printed open, the long table of tags as it is.
export function openForPrint() {
    let opened = [];
    addEventListener('beforeprint', () => {
        opened = [...document.querySelectorAll('details:not([open]):not(.tags)')];
        for (const details of opened) details.open = true;
    });
    addEventListener('afterprint', () => {
        for (const details of opened) details.open = false;
        opened = [];
    });
}
