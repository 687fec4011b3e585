using System.Globalization;

namespace Orleans.Raft.Shell.Tests;

/// <summary>A terminal whose keys are written down, and that knows what its line shows.</summary>
internal sealed class ScriptedTerminal(string keys, int width = 80) : ITerminal
{
    private readonly Queue<char> _keys = new(keys);

    public int Width => width;

    public bool IsEditing { get; private set; }

    /// <summary>What the last drawing shows.</summary>
    public string Row { get; private set; } = "";

    public void SetEditing(bool editing) => IsEditing = editing;

    public ConsoleKeyInfo ReadKey()
    {
        char key = _keys.Dequeue();
        return key switch
        {
            '\n' => Key(ConsoleKey.Enter),
            '\b' => Key(ConsoleKey.Backspace),
            '\t' => Key(ConsoleKey.Tab),
            '\u2190' => Key(ConsoleKey.LeftArrow),
            '\u2191' => Key(ConsoleKey.UpArrow),
            '\u2192' => Key(ConsoleKey.RightArrow),
            '\u2193' => Key(ConsoleKey.DownArrow),
            '\u21e4' => Key(ConsoleKey.Home),
            '\u21e5' => Key(ConsoleKey.End),
            '\u2326' => Key(ConsoleKey.Delete),
            < ' ' => new ConsoleKeyInfo(key, ConsoleKey.A + (key - 1), shift: false, alt: false, control: true),
            _ => new ConsoleKeyInfo(key, ConsoleKey.NoName, shift: false, alt: false, control: false),
        };
    }

    public void Write(string text)
    {
        int start = text.LastIndexOf('\r');
        if (text.StartsWith('\r') && text != "\r\n")
        {
            Row = text[(start + 1)..text.IndexOf('\e', StringComparison.Ordinal)];
            int cells = Row.EnumerateRunes().Sum(rune => rune.Value > 0x2000 ? 2 : 1);
            if (cells >= width) throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"{cells} columns drawn"));
        }
    }

    private static ConsoleKeyInfo Key(ConsoleKey key) => new('\0', key, shift: false, alt: false, control: false);
}
