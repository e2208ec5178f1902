using System.Collections;
using System.Management.Automation;
using System.Text.RegularExpressions;
using BillingMigration.Definition;

namespace BillingMigration.PowerShell;

/// <summary>From the core's errors to PowerShell's.</summary>
internal static partial class Errors
{
    /// <summary>An error record whose id, category, target and recommended action come from the exception.</summary>
    public static ErrorRecord ToRecord(MigrationException e)
    {
        var message = e.Message;
        if (e.Target is IEnumerable<DefinitionProblem> problems)
        {
            // A definition is repaired in one go: every problem is listed, whether or not the message holds it already.
            var missing = problems.Select(p => p.ToString()).Where(p => !message.Contains(p, StringComparison.Ordinal));
            message = string.Join(Environment.NewLine + "  ", [message, .. missing]);
        }

        return new ErrorRecord(e, e.ErrorId, Category(e.Kind), e.Target)
        {
            ErrorDetails = new ErrorDetails(message) { RecommendedAction = NextStep(e) },
        };
    }

    /// <summary>What the job threw, as an error for an operator: unwrapped, and without any secret.</summary>
    public static MigrationException ToMigrationException(Exception e, IReadOnlyCollection<string> secrets)
    {
        while (e is AggregateException { InnerExceptions.Count: 1 })
        {
            e = e.InnerException!;
        }

        if (e is MigrationException known)
        {
            return known;
        }

        if (e is OutOfMemoryException)
        {
            return new MigrationException(
                "MemoryShort", MigrationErrorKind.LimitExceeded,
                "This process may not take more memory. What was written is checkpointed: lower \"readers\" and \"writers\" under \"throttle\" in migration.json, or give it more memory, and run the same command again.", null, e);
        }

        var message = Redact($"{e.GetType().Name}: {e.Message}", secrets);
        // The cause is kept for its stack, unless some part of it holds what must not be shown.
        var cause = e.ToString() is var all && Redact(all, secrets) == all ? e : null;
        return new MigrationException(
            "Unexpected", MigrationErrorKind.Unexpected, message + " Run the command again; what was done is kept.", e.TargetSite?.DeclaringType?.FullName, cause);
    }

    /// <summary>Replaces the secrets given, and whatever stands where a connection string or a request has a secret.</summary>
    public static string Redact(string text, IReadOnlyCollection<string> secrets)
    {
        foreach (var secret in secrets.Where(s => s.Length > 0))
        {
            text = text.Replace(secret, "***", StringComparison.Ordinal);
        }

        return SecretSetting().Replace(text, "$1***");
    }

    private static ErrorCategory Category(MigrationErrorKind kind) => kind switch
    {
        MigrationErrorKind.InvalidDefinition => ErrorCategory.InvalidData,
        MigrationErrorKind.InvalidArgument => ErrorCategory.InvalidArgument,
        MigrationErrorKind.Unreachable => ErrorCategory.ConnectionError,
        MigrationErrorKind.AuthenticationFailed => ErrorCategory.AuthenticationError,
        MigrationErrorKind.PermissionDenied => ErrorCategory.PermissionDenied,
        MigrationErrorKind.SecurityViolation => ErrorCategory.SecurityError,
        MigrationErrorKind.NotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorKind.WrongState => ErrorCategory.InvalidOperation,
        MigrationErrorKind.Busy => ErrorCategory.ResourceBusy,
        MigrationErrorKind.LimitExceeded => ErrorCategory.LimitsExceeded,
        MigrationErrorKind.DataRefused => ErrorCategory.InvalidData,
        _ => ErrorCategory.NotSpecified,
    };

    /// <summary>Messages end with what to do.</summary>
    private static string NextStep(MigrationException e)
    {
        if (e.Target is ICollection { Count: > 0 } and IEnumerable<DefinitionProblem> problems)
        {
            return string.Join(" ", problems.Select(p => p.Remedy).Distinct());
        }

        var text = e.Message.TrimEnd();
        var end = SentenceEnd().Matches(text);
        return end.Count == 0 ? "" : text[(end[^1].Index + end[^1].Length)..];
    }

    [GeneratedRegex(@"(?i)\b((?:password|pwd|secret(?:access)?key|sessiontoken|x-amz-security-token)\s*[=:]\s*)(?:""[^""]*""|'[^']*'|[^;,&\s]+)")]
    private static partial Regex SecretSetting();

    [GeneratedRegex(@"[.!?]\s+(?=\p{Lu})")]
    private static partial Regex SentenceEnd();
}
