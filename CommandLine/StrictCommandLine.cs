using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Orleans.Raft.CommandLine;

/// <summary>
/// A program's command line is taken wholly or refused: what is unknown, empty, given twice or out of range is never
/// passed over. <c>@name</c> is no file to read more from: keys and values may begin so.
/// </summary>
public static class StrictCommandLine
{
    /// <summary>The exit code of a program that was refused its command line.</summary>
    public const int BadOption = 2;

    private const NumberStyles Digits =
        NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private static readonly ParserConfiguration s_parser =
        new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false };

    /// <summary>Parses and checks, but runs nothing.</summary>
    /// <param name="problem">Everything that is wrong, in one line; null if nothing is.</param>
    public static ParseResult Parse(Command root, IReadOnlyList<string> arguments, out string? problem)
    {
        ParseResult parsed = root.Parse(arguments, s_parser);
        var given = new List<OptionResult>();
        for (SymbolResult? at = parsed.CommandResult; at is CommandResult command; at = at.Parent)
            given.AddRange(command.Children.OfType<OptionResult>());
        string[] options = [.. arguments.TakeWhile(argument => argument != "--")];
        // These say more than what the parser makes of the same.
        string[] problems = [.. given.Select(option => ProblemOf(option, options)).OfType<string>()];
        if (problems.Length == 0) problems = [.. parsed.Errors.Select(Describe).Distinct()];
        problem = problems.Length == 0 ? null : OneLine($"{string.Join(" ", problems)} See --help.");
        return parsed;
    }

    /// <summary>Runs what was asked for, or says in one line what is wrong.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Command root, IReadOnlyList<string> arguments,
        InvocationConfiguration? configuration = null)
    {
        configuration ??= new InvocationConfiguration();
        ParseResult parsed = Parse(root, arguments, out string? problem);
        return problem is null ? await parsed.InvokeAsync(configuration) : Refuse(problem, configuration.Error);
    }

    /// <summary>Writes one line that says what is wrong.</summary>
    /// <returns>The exit code.</returns>
    public static int Refuse(string problem, TextWriter? errors = null)
    {
        (errors ?? Console.Error).WriteLine($"ERR BadOption: {OneLine(problem)}");
        return BadOption;
    }

    /// <summary>A number that has a default.</summary>
    public static Option<T> Number<T>(string name, T absent, T least, T most, string description)
        where T : struct, INumber<T> => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => absent,
        CustomParser = result => Read(result, least, most) ?? default,
    };

    /// <summary>A number that may be left out.</summary>
    public static Option<T?> Number<T>(string name, T least, T most, string description)
        where T : struct, INumber<T> => new(name)
    {
        Description = description,
        CustomParser = result => Read(result, least, most),
    };

    /// <summary>A list with commas in which nothing is empty or twice; empty if it is left out.</summary>
    /// <param name="among">The words there are; null for any.</param>
    public static Option<string[]> List(string name, string description, IReadOnlyCollection<string>? among = null) =>
        new(name)
    {
        Description = description,
        Arity = ArgumentArity.ExactlyOne,
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            if (result.Tokens is not [var token]) return [];
            string[] words = token.Value.Split(',');
            if (words.Any(string.IsNullOrWhiteSpace)
                || words.Distinct(StringComparer.Ordinal).Count() < words.Length)
                result.AddError($"{name} is '{token.Value}'; it must be a list with commas, nothing empty, nothing "
                    + "twice.");
            else if (words.FirstOrDefault(word => among?.Contains(word) == false) is { } unknown)
                result.AddError($"{name}: there is no {unknown}; there are {string.Join(", ", among!)}.");
            return words;
        },
    };

    // A validator would be too late: it is called for what is no number too, and cannot ask for its value.
    private static T? Read<T>(ArgumentResult result, T least, T most)
        where T : struct, INumber<T>
    {
        // How many there may be the parser says itself.
        if (result.Tokens is not [var token]) return null;
        if (T.TryParse(token.Value, Digits, CultureInfo.InvariantCulture, out T value)
            && value >= least && value <= most) return value;
        result.AddError(string.Create(CultureInfo.InvariantCulture,
            $"{((OptionResult)result.Parent!).Option.Name} is '{token.Value}'; it must be {least} to {most}."));
        return null;
    }

    private static string? ProblemOf(OptionResult given, string[] arguments)
    {
        string name = given.Option.Name;
        if (given.IdentifierTokenCount > 1 && given.Option.Arity.MaximumNumberOfValues <= 1)
            return $"{name} is given twice; give it once.";
        // The parser takes "--name= next" for "--name next".
        if (given.Tokens.Any(token => token.Value.Length == 0)
            || arguments.Any(argument => argument == $"{name}=" || argument == $"{name}:"))
            return $"{name} is empty; give it a value or leave it out.";
        // The parser takes "--flag=what" for "--flag" and an argument "what".
        if (given.Option.ValueType == typeof(bool) && arguments.FirstOrDefault(IsNoFlag) is { } wrong)
            return $"{name} is '{wrong[(name.Length + 1)..]}'; it must be true or false.";
        return given.Tokens.FirstOrDefault(token => token.Value.StartsWith("--", StringComparison.Ordinal)) is { } next
            ? $"{name} lacks its value: {next.Value} comes next."
            : null;

        bool IsNoFlag(string argument) => argument.StartsWith(name, StringComparison.Ordinal)
            && argument[name.Length..] is ['=' or ':', .. var value] && !bool.TryParse(value, out _);
    }

    private static string Describe(ParseError error)
    {
        OptionResult? option = error.SymbolResult as OptionResult ?? error.SymbolResult?.Parent as OptionResult;
        return option is null || error.Message.Contains(option.Option.Name, StringComparison.Ordinal)
            ? error.Message
            : $"{option.Option.Name}: {error.Message}";
    }

    private static string OneLine(string text) =>
        string.Join(' ', text.Split([' ', '\r', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries));
}
