// The C# that computes what the page shows, to be copied.

/** Makes the button work; what happened is said. */
export function startCode(card, say) {
  const text = card.querySelector('code');
  card.querySelector('button').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      say('The code was copied.');
    } catch {
      // Without a secure context there is no clipboard; what is selected can be copied by hand.
      getSelection().selectAllChildren(text);
      say('The code is selected; copy it with Ctrl+C.');
    }
  });
}
