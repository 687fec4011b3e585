namespace Orleans.Raft.Shell;

/// <summary>
/// Edits a line on a terminal that knows carriage return and <c>ESC[K</c>. A line longer than the terminal is wide
/// scrolls sideways.
/// </summary>
internal sealed class LineEditor(ITerminal terminal) : ILineSource
{
    private const string EraseToEndOfLine = "\e[K";

    private readonly LineHistory _history = new();

    public string? ReadLine(string prompt)
    {
        var line = new LineBuffer();
        terminal.SetEditing(true);
        try
        {
            while (true)
            {
                Draw(prompt, line);
                ConsoleKeyInfo key = terminal.ReadKey();
                bool control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
                if (key.Key == ConsoleKey.Enter) return Accept(prompt, line);
                if (control && key.Key == ConsoleKey.D && line.Text.Length == 0) return EndOfInput();
                if (control && key.Key == ConsoleKey.C) Abandon(line);
                else if (control && key.Key == ConsoleKey.L) terminal.Write("\e[H\e[2J");
                else Edit(line, key, control);
            }
        }
        finally
        {
            terminal.SetEditing(false);
        }
    }

    private string Accept(string prompt, LineBuffer line)
    {
        line.MoveToEnd();
        Draw(prompt, line);
        terminal.Write("\r\n");
        _history.Add(line.Text);
        return line.Text;
    }

    private string? EndOfInput()
    {
        terminal.Write("\r\n");
        return null;
    }

    private void Abandon(LineBuffer line)
    {
        terminal.Write("^C\r\n");
        line.Set("");
    }

    private void Edit(LineBuffer line, ConsoleKeyInfo key, bool control)
    {
        switch (key.Key)
        {
            case ConsoleKey.LeftArrow: line.MoveLeft(); break;
            case ConsoleKey.RightArrow: line.MoveRight(); break;
            case ConsoleKey.Home: line.MoveToStart(); break;
            case ConsoleKey.End: line.MoveToEnd(); break;
            case ConsoleKey.Backspace: line.DeleteBefore(); break;
            case ConsoleKey.Delete: line.DeleteAt(); break;
            case ConsoleKey.UpArrow: Recall(line, _history.Older(line.Text)); break;
            case ConsoleKey.DownArrow: Recall(line, _history.Newer()); break;
            case ConsoleKey.Tab: Complete(line); break;
            case ConsoleKey.A when control: line.MoveToStart(); break;
            case ConsoleKey.B when control: line.MoveLeft(); break;
            case ConsoleKey.D when control: line.DeleteAt(); break;
            case ConsoleKey.E when control: line.MoveToEnd(); break;
            case ConsoleKey.F when control: line.MoveRight(); break;
            case ConsoleKey.H when control: line.DeleteBefore(); break;
            case ConsoleKey.K when control: line.DeleteToEnd(); break;
            case ConsoleKey.N when control: Recall(line, _history.Newer()); break;
            case ConsoleKey.P when control: Recall(line, _history.Older(line.Text)); break;
            case ConsoleKey.U when control: line.DeleteToStart(); break;
            case ConsoleKey.W when control: line.DeleteWordBefore(); break;
            default:
                if (!char.IsControl(key.KeyChar)) line.Insert(key.KeyChar);
                break;
        }
    }

    private static void Recall(LineBuffer line, string? text)
    {
        if (text is not null) line.Set(text);
    }

    /// <summary>Completes the name of the command, or the word after it, if only one begins so.</summary>
    private static void Complete(LineBuffer line)
    {
        IEnumerable<string> known = line.Text.Contains(' ', StringComparison.Ordinal)
            ? CommandTable.All.SelectMany(command => command.Verbs.Select(verb => $"{command.Name} {verb}"))
            : CommandTable.All.Select(command => command.Name);
        string[] texts = [.. known.Where(text => text.StartsWith(line.Text, StringComparison.Ordinal))];
        if (texts.Length == 1) line.Set(texts[0] + " ");
    }

    private void Draw(string prompt, LineBuffer line)
    {
        // The last column stays free: writing it would wrap on some terminals.
        int room = Math.Max(1, terminal.Width - TextWidth.Of(prompt) - 1);
        ReadOnlySpan<char> text = line.Text;
        int start = 0;
        while (TextWidth.Of(text[start..line.Cursor]) > room) start += TextWidth.FirstLength(text[start..]);
        int end = start;
        int width = 0;
        while (end < text.Length)
        {
            int length = TextWidth.FirstLength(text[end..]);
            int next = width + TextWidth.Of(text.Slice(end, length));
            if (next > room) break;
            width = next;
            end += length;
        }
        int back = TextWidth.Of(text[line.Cursor..end]);
        terminal.Write($"\r{prompt}{text[start..end]}{EraseToEndOfLine}" + (back > 0 ? $"\e[{back}D" : ""));
    }
}
