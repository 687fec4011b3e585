using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>
/// Splits a line into words. Blanks separate; <c>'...'</c> is literal; <c>"..."</c> and bare text know the escapes of
/// <see cref="ByteText"/>; pieces without a blank between them form one word.
/// </summary>
internal ref struct Lexer
{
    private readonly ReadOnlySpan<byte> _line;
    private readonly byte[] _bytes; // All words, one behind the other: no word is longer than its source.
    private int _at;
    private int _used;

    private Lexer(ReadOnlySpan<byte> line)
    {
        _line = line;
        _bytes = new byte[line.Length];
    }

    /// <summary>The words of a line; none if it is blank or a comment.</summary>
    /// <exception cref="ShellException">Code <c>Syntax</c>: an open quote or a bad escape.</exception>
    public static List<Word> Split(ReadOnlySpan<byte> line)
    {
        if (line.EndsWith("\r"u8)) line = line[..^1];
        var lexer = new Lexer(line);
        var words = new List<Word>();
        while (lexer.SkipBlanks())
        {
            if (words.Count == 0 && line[lexer._at] == '#') break;
            words.Add(lexer.ReadWord());
        }
        return words;
    }

    /// <summary>A program argument as a word: escapes count, quotes and blanks stand for themselves.</summary>
    /// <exception cref="ShellException">Code <c>Syntax</c>: a bad escape.</exception>
    public static Word FromArgument(string argument)
    {
        byte[] text = Encoding.UTF8.GetBytes(argument);
        byte[] bytes = new byte[text.Length];
        if (!ByteText.TryUnescape(text, bytes, out int length, out int errorOffset, out string? problem))
        {
            throw new ShellException("Syntax", $"argument '{argument}': {problem}", ColumnOf(text, errorOffset));
        }
        return new Word(bytes.AsMemory(0, length), !text.AsSpan().Contains((byte)'\\'), Column: 1);
    }

    private static bool IsBlank(byte value) => value is (byte)' ' or (byte)'\t';

    private static int ColumnOf(ReadOnlySpan<byte> text, int offset)
    {
        int column = 1;
        foreach (byte value in text[..offset])
        {
            bool continuesCharacter = (value & 0xC0) == 0x80;
            if (!continuesCharacter) column++;
        }
        return column;
    }

    private bool SkipBlanks()
    {
        while (_at < _line.Length && IsBlank(_line[_at])) _at++;
        return _at < _line.Length;
    }

    private Word ReadWord()
    {
        int begin = _used;
        int column = ColumnOf(_line, _at);
        bool plain = true;
        while (_at < _line.Length && !IsBlank(_line[_at]))
        {
            byte value = _line[_at];
            if (value is (byte)'\'' or (byte)'"' or (byte)'\\') plain = false;
            if (value is (byte)'\'' or (byte)'"') ReadQuoted(value);
            else ReadCharacter(escapes: true);
        }
        return new Word(_bytes.AsMemory(begin, _used - begin), plain, column);
    }

    private void ReadQuoted(byte quote)
    {
        int open = _at++;
        while (_at < _line.Length && _line[_at] != quote) ReadCharacter(escapes: quote == '"');
        if (_at == _line.Length)
        {
            throw new ShellException(
                "Syntax", $"a quote is opened and not closed; close it with {(char)quote}", ColumnOf(_line, open));
        }
        _at++;
    }

    private void ReadCharacter(bool escapes)
    {
        if (!escapes || _line[_at] != '\\')
        {
            _bytes[_used++] = _line[_at++];
            return;
        }
        int length = ByteText.ReadEscape(_line[_at..], out _bytes[_used], out string? problem);
        if (length == 0) throw new ShellException("Syntax", problem!, ColumnOf(_line, _at));
        _at += length;
        _used++;
    }
}
