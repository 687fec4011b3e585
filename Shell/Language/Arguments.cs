using System.Globalization;
using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>An option of a command, without its leading dashes.</summary>
internal readonly record struct OptionSpec(string Name, bool TakesValue)
{
    public static readonly OptionSpec Family = new("cf", TakesValue: true);
    public static readonly OptionSpec Consistency = new("consistency", TakesValue: true);
    public static readonly OptionSpec Format = new("format", TakesValue: true);
}

/// <summary>The words behind a command's name, taken apart into options and the rest.</summary>
internal sealed class Arguments
{
    private readonly List<Word> _words = [];
    private readonly Dictionary<string, Word> _options = [];

    public int Count => _words.Count;

    public Word this[int index] => _words[index];

    /// <summary>The column family asked for by <c>--cf</c>.</summary>
    public ColumnFamily Family =>
        _options.TryGetValue("cf", out Word word) ? Families.Parse(word) : ColumnFamily.Default;

    /// <summary>The freshness asked for by <c>--consistency</c>.</summary>
    public Consistency Consistency
    {
        get
        {
            if (!_options.TryGetValue("consistency", out Word word)) return Consistency.Linearizable;
            if (word.Equals("linearizable"u8)) return Consistency.Linearizable;
            if (word.Equals("lease"u8)) return Consistency.Lease;
            if (word.Equals("stale"u8)) return Consistency.Stale;
            throw new ShellException(
                "BadOption", $"--consistency is linearizable, lease or stale, not {word.Quoted}; use one of them");
        }
    }

    /// <exception cref="ShellException">Unknown or repeated options, too few words or too many.</exception>
    public static Arguments Parse(ShellCommand command, IReadOnlyList<Word> words)
    {
        var arguments = new Arguments();
        bool options = true;
        for (int index = 1; index < words.Count; index++)
        {
            Word word = words[index];
            if (!options || !word.IsOption) arguments._words.Add(word);
            else if (word.Equals("--"u8)) options = false;
            else index = arguments.AddOption(command, words, index);
        }
        (int min, int max) = command.ArgumentCount;
        if (arguments.Count < min || arguments.Count > max)
        {
            string needs = max == min ? Counted(min)
                : max == int.MaxValue ? $"at least {Counted(min)}"
                : $"{min} to {Counted(max)}";
            throw new ShellException("BadArgument",
                $"needs {needs}, has {arguments.Count}; usage: {command.Usage} (put quotes around a word with blanks)");
        }
        return arguments;
    }

    public bool Has(string option) => _options.ContainsKey(option);

    public Word? Option(string option) => _options.TryGetValue(option, out Word word) ? word : null;

    /// <summary>A whole number, or the default if the option is absent.</summary>
    public long Integer(string option, long min, long max, long absent)
    {
        if (!_options.TryGetValue(option, out Word word)) return absent;
        bool valid = long.TryParse(word.Bytes.Span, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
            out long value);
        if (valid && value >= min && value <= max) return value;
        throw new ShellException(
            "BadOption", $"--{option} is a whole number from {min} to {max}, not {word.Quoted}; correct it");
    }

    /// <summary>Seconds, with a fraction or without.</summary>
    public TimeSpan Seconds(string option, double min, double max, double absent)
    {
        if (!_options.TryGetValue(option, out Word word)) return TimeSpan.FromSeconds(absent);
        bool valid = double.TryParse(
            word.Bytes.Span, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value);
        if (valid && value >= min && value <= max) return TimeSpan.FromSeconds(value);
        throw new ShellException("BadOption",
            $"--{option} is a number of seconds from {min} to {max}, not {word.Quoted}; correct it");
    }

    private static string Counted(int count) => count == 1 ? "1 argument" : $"{count} arguments";

    private int AddOption(ShellCommand command, IReadOnlyList<Word> words, int index)
    {
        ReadOnlyMemory<byte> text = words[index].Bytes[2..];
        int equals = text.Span.IndexOf((byte)'=');
        string name = Encoding.UTF8.GetString(equals < 0 ? text.Span : text.Span[..equals]);
        if (!command.Options.Any(option => option.Name == name))
        {
            throw new ShellException("UnknownOption",
                $"{words[index].Quoted}; usage: {command.Usage} (write -- before words that begin with --)");
        }
        bool takesValue = command.Options.First(option => option.Name == name).TakesValue;
        Word value = default;
        if (equals >= 0 && !takesValue)
        {
            throw new ShellException("BadOption", $"--{name} takes no value; leave out what follows it");
        }
        if (equals >= 0) value = words[index] with { Bytes = text[(equals + 1)..] };
        else if (takesValue && ++index == words.Count)
        {
            throw new ShellException("BadOption", $"--{name} lacks its value; usage: {command.Usage}");
        }
        else if (takesValue) value = words[index];

        if (!_options.TryAdd(name, value))
        {
            throw new ShellException("BadOption", $"--{name} is given twice; give it once");
        }
        return index;
    }
}
