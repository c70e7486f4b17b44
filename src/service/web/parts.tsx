/** What several views are made of. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../client/index.js';

/** A column of buttons: its heading is for who does not see them. */
const ACTIONS = 'Actions';

/**
 * A table that becomes a list of cards where it is narrow; its roles stay. When the row that has the focus goes, the
 * table takes the focus: the keyboard goes on from there, not from the top of the page.
 */
export function Table({
  caption,
  head,
  rows,
  empty,
  isBusy = false,
}: {
  caption: string;
  head: string[];
  rows: { key: string | number; cells: ComponentChildren[] }[];
  empty: string;
  /** The rows answer what was asked before. */
  isBusy?: boolean;
}) {
  const own = useRef<HTMLElement | null>(null);
  const take = (element: HTMLElement | null) => {
    own.current = element;
  };
  const hadFocus = own.current?.contains(document.activeElement) === true;
  useLayoutEffect(() => {
    if (hadFocus && (document.activeElement === document.body || document.activeElement === null))
      own.current?.focus({ preventScroll: true });
  });
  if (rows.length === 0)
    return (
      <p class="empty" tabIndex={-1} aria-busy={isBusy} ref={take}>
        {empty}
      </p>
    );
  return (
    <table role="table" tabIndex={-1} aria-busy={isBusy} ref={take}>
      <caption class="hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {head.map((title) => (
            <th role="columnheader" scope="col" key={title}>
              {title === ACTIONS ? <span class="hidden">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map(({ key, cells }) => (
          <tr role="row" key={key}>
            {cells.map((cell, i) => (
              <td role="cell" key={head[i]} data-label={head[i] === ACTIONS ? '' : head[i]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const MARKS: Record<string, string> = {
  running: '▶',
  reading: '▶',
  complete: '✓',
  done: '✓',
  idle: '✓',
  ready: '✓',
  paused: '❚❚',
  failing: '!',
  failed: '!',
  dead: '!',
  killed: '!',
  late: '!',
  unproven: '◐',
  recovered: '✓',
  test: '·',
  partial: '◐',
  waiting: '…',
  queued: '…',
  delayed: '…',
  new: '○',
  cancelled: '×',
  skipped: '×',
};

/** A state in colour, sign and word: none of them alone. */
export function State({ of }: { of: string }) {
  return (
    <span class={`state ${of}`}>
      <span aria-hidden="true">{MARKS[of] ?? '·'}</span> {of}
    </span>
  );
}

/** The committed parts of a span, oldest to the left. */
export function Span({ done, label }: { done: { from: number; to: number }[]; label: string }) {
  const part = done.reduce((sum, { from, to }) => sum + to - from, 0);
  const percent = Math.min(100, Math.floor(part * 100 + 0.0001));
  return (
    <div
      class="span"
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-label={label}
    >
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
        <path
          d={done
            .map(
              ({ from, to }) =>
                `M${(from * 1000).toFixed(1)} 0h${Math.max(1, (to - from) * 1000).toFixed(1)}v10H${(from * 1000).toFixed(1)}z`,
            )
            .join('')}
        />
      </svg>
    </div>
  );
}

/** A part of a whole, with its words beside it. */
export function Meter({ value, max, text, label }: { value: number; max: number; text: string; label: string }) {
  const percent = max > 0 ? Math.min(100, (100 * value) / max) : 0;
  return (
    <span
      class="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={value}
      aria-valuetext={text}
    >
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect width={percent} height="10" />
      </svg>
      <span>{text}</span>
    </span>
  );
}

/** A button that keeps the focus of who has just pressed it while it cannot be pressed, as a disabled one does not. */
export function Button({ isOff, onClick, children, ...rest }: JSX.IntrinsicElements['button'] & { isOff: boolean }) {
  return (
    <button
      type="button"
      {...rest}
      aria-disabled={isOff}
      // Enter in a field of a form presses its first button, too.
      onClick={(event) => (isOff ? event.preventDefault() : onClick?.(event))}
    >
      {children}
    </button>
  );
}

/** A button whose work may fail: it says so beside itself, with the next step. */
export function Action({
  children,
  work,
  confirm,
  class: own,
  disabled,
}: {
  children: ComponentChildren;
  work: () => Promise<unknown>;
  confirm?: string;
  class?: string;
  disabled?: boolean;
}) {
  const [state, setState] = useState<{ busy: boolean; said?: string; failed?: boolean }>({ busy: false });
  const dialog = useRef<HTMLDialogElement>(null);
  const go = async () => {
    setState({ busy: true });
    try {
      const said = await work();
      setState({ busy: false, ...(typeof said === 'string' ? { said } : {}) });
    } catch (error) {
      setState({ busy: false, said: errorText(error), failed: true });
    }
  };
  return (
    <span class="action">
      <Button
        class={own}
        isOff={disabled === true || state.busy}
        aria-busy={state.busy}
        onClick={() => (confirm === undefined ? void go() : dialog.current?.showModal())}
      >
        {children}
      </Button>
      <span role="status" class={state.failed ? 'failure' : 'said'}>
        {state.said}
      </span>
      {confirm !== undefined && (
        <dialog
          ref={dialog}
          aria-label="Please confirm"
          onClose={() => dialog.current?.returnValue === 'yes' && void go()}
        >
          <p>{confirm}</p>
          <form method="dialog" class="row">
            <button value="yes" class="strong">
              {children}
            </button>
            <button value="no">Leave it</button>
          </form>
        </dialog>
      )}
    </span>
  );
}

export function errorText(error: unknown): string {
  if (error instanceof ApiError) return faultText({ ...error.detail, message: error.message });
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong, where, and what to do next, in a sentence. */
export function faultText({ message, place, expected, found, next }: FaultDetail): string {
  return [
    place === undefined ? message : `${message} (${place})`,
    expected && `expected: ${expected}`,
    found && `found: ${found}`,
    next && `next: ${next}`,
  ]
    .filter(Boolean)
    .join('; ');
}

type FaultDetail = ApiError['detail'] & { message: string };

/** The heading of a view: it takes the focus when the view opens, so that a screen reader tells where one is. */
export function Heading({ children }: { children: ComponentChildren }) {
  const own = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (
      document.activeElement === document.body ||
      document.activeElement === null ||
      document.activeElement.closest('nav, main') !== null
    )
      own.current?.focus({ preventScroll: true });
  }, []);
  useLayoutEffect(() => {
    document.title = `${own.current?.textContent ?? ''} · Headrace`;
  });
  return (
    <h1 tabIndex={-1} ref={own}>
      {children}
    </h1>
  );
}

export function Loading({ error, what }: { error: string | undefined; what: string }) {
  return error === undefined ? (
    <p class="empty" aria-busy="true">
      Loading {what}…
    </p>
  ) : (
    <p class="failure" role="alert">
      {error}
    </p>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: JSX.Element }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

/** Asks for the next page of a list. */
export function More({ next, onMore }: { next: string | null | undefined; onMore: (next: string) => void }) {
  return next ? (
    <p>
      <button type="button" onClick={() => onMore(next)}>
        Show more
      </button>
    </p>
  ) : null;
}
