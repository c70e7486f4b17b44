/** Tabs as the ARIA pattern has them: one stop of the keyboard, arrows between them. */
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useUniqueId } from './unique-id';

const KEYS: Record<string, (at: number, count: number) => number> = {
  ArrowRight: (at, count) => (at + 1) % count,
  ArrowLeft: (at, count) => (at + count - 1) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

export function Tabs({
  label,
  tabs,
  at: given,
  onAt,
}: {
  label: string;
  tabs: { title: string; content: ComponentChildren }[];
  /** Which is chosen, where the parent says so. */
  at?: number;
  onAt?: (at: number) => void;
}) {
  const id = useUniqueId();
  const [own, setOwn] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const at = given ?? own;
  const choose = (next: number) => (onAt ? onAt(next) : setOwn(next));
  return (
    <div class="tabs">
      <div
        role="tablist"
        aria-label={label}
        ref={list}
        onKeyDown={(event) => {
          const next = KEYS[event.key]?.(at, tabs.length);
          if (next === undefined) return;
          event.preventDefault();
          choose(next);
          list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
        }}
      >
        {tabs.map(({ title }, i) => (
          <button
            type="button"
            role="tab"
            key={title}
            id={`${id}-tab-${i}`}
            aria-selected={i === at}
            aria-controls={`${id}-panel`}
            tabIndex={i === at ? 0 : -1}
            onClick={() => i !== at && choose(i)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${at}`} key={at}>
        {tabs[at]?.content}
      </div>
    </div>
  );
}
