using System.CommandLine;
using System.Globalization;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Fuzz;

/// <summary>A program's command line, one argument a line of the input. What is refused is refused in one line; what is
/// accepted means what a reading that knows nothing of the parser finds in it.</summary>
/// <param name="grammar">A line for each option: its name and values it takes; none follows a flag.</param>
internal abstract class CommandLineTarget(RootCommand root, params string[] grammar) : FuzzTarget
{
    private readonly string[] _names = [.. root.Options.SelectMany(option => option.Aliases.Append(option.Name))];
    private readonly HashSet<string> _flags =
        [.. root.Options.Where(option => option.ValueType == typeof(bool)).Select(option => option.Name)];

    public override int Weight => 5;

    public override byte[] Generate(FuzzRandom random)
    {
        var arguments = new List<string>();
        foreach (string line in grammar.Where(_ => random.OneIn(2)))
        {
            string[] words = line.Split(' ');
            string value = words.Length > 1 ? words[1 + random.Below(words.Length - 1)] : "";
            if (words.Length == 1) arguments.Add(words[0]);
            else if (random.OneIn(3)) arguments.Add($"{words[0]}={value}");
            else arguments.AddRange([words[0], value]);
        }
        return FuzzArguments.Encode([.. arguments, .. Words(random)]);
    }

    /// <summary>As people damage what they type; now and then, bytes.</summary>
    public override byte[] Mutate(FuzzRandom random, byte[] input, byte[] other)
    {
        if (random.OneIn(4)) return base.Mutate(random, input, other);
        var arguments = FuzzArguments.Decode(input).ToList();
        for (int left = 1 + random.Below(3); left > 0; left--)
        {
            int at = random.Below(arguments.Count + 1);
            string name = random.Of(random.Of(_names), random.Of(_names), "--" + random.Text(5), "--", "-x", "[a]");
            if (at < arguments.Count && random.OneIn(2)) arguments.RemoveAt(at);
            arguments.InsertRange(at, random.Below(7) switch
            {
                0 => [name],
                1 => [name, FuzzArguments.Value(random)],
                2 => [$"{name}{random.Of("=", ":")}{FuzzArguments.Value(random)}"],
                3 => [name + "="],
                4 => FuzzArguments.Decode(other),
                5 => [random.Of("", " ", "@a", "true", "false")],
                _ => [FuzzArguments.Value(random)],
            });
        }
        return FuzzArguments.Encode(arguments);
    }

    public override Reading Read(byte[] input)
    {
        string[] arguments = Arrange(FuzzArguments.Decode(input));
        ParseResult parsed = StrictCommandLine.Parse(root, arguments, out string? problem);
        if (problem is not null)
        {
            RequireOneLine(problem);
            return Reading.Refused;
        }
        // Help, version and suggestions do not come to the options.
        if (parsed.Action != root.Action) return Reading.Refused;
        try
        {
            return Meaning(parsed) is { } meaning ? new Reading(true, meaning) : Reading.Refused;
        }
        catch (ArgumentException refused)
        {
            using var line = new StringWriter { NewLine = "" };
            StrictCommandLine.Refuse(refused.Message, line);
            RequireOneLine(line.ToString());
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (!reading.IsAccepted) return;
        (Dictionary<string, string> said, string[] rest) = Scan(FuzzArguments.Decode(input));
        RequireMeant(new Said(said), rest, reading.Content!);
    }

    public override long AllocationBound(int inputLength) => 500_000 + (5_000L * inputLength);

    /// <summary>Whether <c>true</c> or <c>false</c> after a flag is the flag's.</summary>
    protected virtual bool FlagsTakeWords => true;

    /// <summary>What follows the options.</summary>
    protected virtual string[] Words(FuzzRandom random) => [];

    /// <summary>What the program does to its arguments before they are parsed.</summary>
    protected virtual string[] Arrange(string[] arguments) => arguments;

    /// <summary>What the program reads of it; null, or an <see cref="ArgumentException"/>, if it refuses.</summary>
    protected abstract object? Meaning(ParseResult parsed);

    /// <summary>Throws unless that is what was said.</summary>
    protected abstract void RequireMeant(Said said, string[] rest, object meaning);

    protected static void RequireNothing(string[] rest)
    {
        if (rest.Length > 0) throw new FindingException($"'{rest[0]}' was passed over");
    }

    private static void RequireOneLine(string problem)
    {
        if (problem.Length == 0 || problem.AsSpan().ContainsAny('\r', '\n'))
            throw new FindingException($"refused with no line or several: {problem}");
    }

    /// <summary>Options and values from the left; the rest are the words from the first that is neither.</summary>
    private (Dictionary<string, string> Said, string[] Words) Scan(string[] arguments)
    {
        var said = new Dictionary<string, string>();
        for (int at = 0; at < arguments.Length; at++)
        {
            string argument = arguments[at];
            if (argument == "--") return (said, arguments[(at + 1)..]);
            if (!argument.StartsWith('-')) return (said, arguments[at..]);
            int sign = argument.AsSpan().IndexOfAny('=', ':');
            string name = sign < 0 ? argument : argument[..sign];
            if (!_names.Contains(name)) throw new FindingException($"unknown, but accepted: {name}");
            string value = "true";
            if (sign >= 0) value = argument[(sign + 1)..];
            else if (!_flags.Contains(name)) value = ++at < arguments.Length ? arguments[at] : "";
            else if (FlagsTakeWords && at + 1 < arguments.Length && bool.TryParse(arguments[at + 1], out _))
                value = arguments[++at];
            if (value.Length == 0) throw new FindingException($"{name} lacks its value, but was accepted");
            if (!said.TryAdd(name, value)) throw new FindingException($"{name} is there twice, but was accepted");
        }
        return (said, []);
    }

    /// <summary>Values of options, by their names.</summary>
    internal sealed class Said(Dictionary<string, string> values)
    {
        public string? this[string name] => values.GetValueOrDefault(name);

        /// <summary>Throws unless the option means that, or was left out and that is its default.</summary>
        public void Require(string name, object? meant, object? otherwise)
        {
            bool isMeant = this[name] is { } text
                ? meant switch
                {
                    string same => same == text,
                    bool flag => flag == bool.Parse(text.TrimEnd('\0')),
                    TimeSpan time => Math.Abs(time.TotalSeconds - Number(text)) < 1e-3,
                    IConvertible number => number.ToDouble(CultureInfo.InvariantCulture).Equals(Number(text)),
                    _ => false,
                }
                : Equals(meant, otherwise);
            if (!isMeant) throw new FindingException($"{name} is '{this[name]}', but read as '{meant}'");
        }

        // .NET reads numbers past zeros at their end, which no argument of a program can hold.
        private static double Number(string text) => double.Parse(text.TrimEnd('\0'), CultureInfo.InvariantCulture);
    }
}
