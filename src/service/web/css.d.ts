/** Style sheets that a part brings: the bundler takes them in. */
declare module '*.css';
