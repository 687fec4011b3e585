namespace Orleans.Raft.KeyValue;

/// <summary>A failed call to the store. <see cref="Code"/> is one stable word for scripts.</summary>
public abstract class KeyValueException(string code, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public string Code { get; } = code;
}

/// <summary>A key, value or option outside its limits; nothing was sent. Codes: <c>EmptyKey</c>, <c>KeyTooLarge</c>,
/// <c>ValueTooLarge</c>, <c>BatchTooLarge</c>, <c>BadArgument</c>.</summary>
public sealed class KeyValueArgumentException(string code, string message) : KeyValueException(code, message);

/// <summary>The keys of a batch lie in several groups; nothing was applied.</summary>
public sealed class CrossGroupException(string message) : KeyValueException("CrossGroup", message);

/// <summary>Nobody could serve the call before its deadline; it was not applied.</summary>
public sealed class UnavailableException(string message) : KeyValueException("Unavailable", message);

/// <summary>The write may or may not have been applied, and may still be.</summary>
public sealed class OutcomeUnknownException(string message, Exception? inner = null)
    : KeyValueException("OutcomeUnknown", message, inner);

/// <summary>The append would make the value larger than the limit; nothing was applied.</summary>
public sealed class ValueLimitException(string message) : KeyValueException("ValueTooLarge", message);

/// <summary>The cluster refuses what an administrator asks for; nothing was changed.</summary>
public sealed class AdministrationRefusedException(string message) : KeyValueException("Refused", message);
