using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Orleans.Raft.Core;

/// <summary>Checks that stay on in Release: a replica that finds one broken stops rather than spread the
/// damage.</summary>
public static class Invariant
{
    public static void Require(
        [DoesNotReturnIf(false)] bool condition,
        [InterpolatedStringHandlerArgument(nameof(condition))] ref InvariantMessage message)
    {
        if (!condition) throw new InvariantViolationException(message.ToStringAndClear());
    }

    public static void Require([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition) throw new InvariantViolationException(message);
    }

    [DoesNotReturn]
    public static void Fail(string message) => throw new InvariantViolationException(message);
}

/// <summary>Formats the message of a broken invariant only when it is broken.</summary>
[InterpolatedStringHandler]
public ref struct InvariantMessage
{
    private DefaultInterpolatedStringHandler _inner;

    public InvariantMessage(int literalLength, int formattedCount, bool condition, out bool enabled)
    {
        enabled = !condition;
        _inner = enabled ? new DefaultInterpolatedStringHandler(literalLength, formattedCount) : default;
    }

    public void AppendLiteral(string value) => _inner.AppendLiteral(value);

    public void AppendFormatted<T>(T value) => _inner.AppendFormatted(value);

    internal string ToStringAndClear() => _inner.ToStringAndClear();
}

/// <summary>Safety is broken or about to be. Never retried: the replica that throws it stops.</summary>
public sealed class InvariantViolationException(string message) : Exception(message);
