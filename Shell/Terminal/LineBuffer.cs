using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>The line being edited and the place of the cursor in it; moves by whole characters.</summary>
internal sealed class LineBuffer
{
    private readonly StringBuilder _text = new();

    /// <summary>UTF-16 units before the cursor.</summary>
    public int Cursor { get; private set; }

    public string Text => _text.ToString();

    public void Set(string text)
    {
        _text.Clear().Append(text);
        Cursor = text.Length;
    }

    public void Insert(char character) => _text.Insert(Cursor++, character);

    public void MoveLeft() => Cursor = Previous();

    public void MoveRight() => Cursor = Next();

    public void MoveToStart() => Cursor = 0;

    public void MoveToEnd() => Cursor = _text.Length;

    public void DeleteBefore() => Remove(Previous(), Cursor);

    public void DeleteAt() => Remove(Cursor, Next());

    public void DeleteToStart() => Remove(0, Cursor);

    public void DeleteToEnd() => Remove(Cursor, _text.Length);

    /// <summary>Deletes the word before the cursor, with the blanks behind it.</summary>
    public void DeleteWordBefore()
    {
        int start = Cursor;
        while (start > 0 && _text[start - 1] == ' ') start--;
        while (start > 0 && _text[start - 1] != ' ') start--;
        Remove(start, Cursor);
    }

    private int Previous()
    {
        if (Cursor == 0) return 0;
        bool isPair = Cursor > 1 && char.IsSurrogatePair(_text[Cursor - 2], _text[Cursor - 1]);
        return Cursor - (isPair ? 2 : 1);
    }

    private int Next()
    {
        if (Cursor == _text.Length) return Cursor;
        bool isPair = Cursor + 1 < _text.Length && char.IsSurrogatePair(_text[Cursor], _text[Cursor + 1]);
        return Cursor + (isPair ? 2 : 1);
    }

    private void Remove(int start, int end)
    {
        _text.Remove(start, end - start);
        Cursor = start;
    }
}
