using System.Net.Http;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.RegularExpressions;
using Amazon.DynamoDBv2;
using Amazon.Runtime;
using BillingMigration.Transfer;

namespace BillingMigration.Target;

/// <summary>Turns what AWS answers into errors for an operator. One place, for the SDK's exceptions and for the signed hot path.</summary>
internal static partial class TargetErrors
{
    /// <summary>Remedy of an error that ends a job half-way.</summary>
    public const string CheckpointKept = "The checkpoint is kept: run the same command again and it goes on from there.";

    /// <summary>What DynamoDB Local answers to an operation that it does not have.</summary>
    public static bool IsUnknownOperation(Exception exception) =>
        exception is AmazonServiceException { ErrorCode: "UnknownOperationException" or "UnknownOperation" };

    /// <summary>True for trouble on the way or inside AWS that passes by itself.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        AmazonServiceException e => FailureCodes.IsThrottling(e.ErrorCode) || (int)e.StatusCode >= 500 || (e.StatusCode == 0 && e.InnerException is not null && IsTransient(e.InnerException))
            || e.ErrorCode is "TransactionConflictException" or "TransactionInProgressException",
        HttpRequestException or IOException or SocketException or TimeoutException => true,
        AmazonClientException e => e.InnerException is not null && IsTransient(e.InnerException),
        OperationCanceledException e => e.InnerException is TimeoutException,
        _ => false,
    };

    /// <summary>Error for an operator out of whatever the SDK throws; the caller lets cancellation and <see cref="MigrationException"/> pass by.</summary>
    public static MigrationException From(Exception exception, Uri endpoint, string doing) => exception switch
    {
        MigrationException known => known,
        AmazonServiceException e when (int)e.StatusCode >= 500 => new MigrationException(
            "TargetUnavailable",
            MigrationErrorKind.Unreachable,
            $"{doing}: {endpoint} answers with {(int)e.StatusCode} ({e.ErrorCode}: {e.Message.TrimEnd('.')}), again and again. Try again in some minutes, and look at AWS's service health.",
            endpoint,
            e),
        AmazonServiceException { ErrorCode: { Length: > 0 } code } e => FromCode(code, e.Message, endpoint, doing, e),
        _ when IsTransient(exception) => Unreachable(endpoint, exception),
        AmazonClientException e when LooksLikeMissingCredentials(e) => CredentialsMissing(endpoint, e),
        _ => new MigrationException(
            "TargetRefused", MigrationErrorKind.Unexpected, $"{doing} failed at {endpoint}: {ErrorText.Reason(exception)}", endpoint, exception),
    };

    public static MigrationException FromCode(string code, string message, Uri endpoint, string doing, Exception? inner)
    {
        if (FailureCodes.IsExpired(code))
        {
            return new MigrationException(
                "CredentialsExpired",
                MigrationErrorKind.AuthenticationFailed,
                $"The AWS credentials have expired ({code} from {endpoint}). Sign in again (for example 'aws sso login'), connect again with the new credentials. {CheckpointKept}",
                endpoint,
                inner);
        }

        if (FailureCodes.IsCredentialTrouble(code))
        {
            return CredentialsRefused(code, message, endpoint, inner);
        }

        return code switch
        {
            "AccessDeniedException" or "AccessDenied" or "UnauthorizedOperation" or "NotAuthorized" => AccessDenied(message, endpoint, doing, inner),
            _ when FailureCodes.IsThrottling(code) => new MigrationException(
                "TargetThrottled",
                MigrationErrorKind.LimitExceeded,
                $"{doing}: {endpoint} throttles ({code}: {message}). Give the table more capacity or lower the throttle of the definition. {CheckpointKept}",
                endpoint,
                inner),
            _ => new MigrationException(
                "TargetRefused", MigrationErrorKind.Unexpected, $"{doing} was refused by {endpoint} with {code}: {message}", endpoint, inner),
        };
    }

    /// <summary>The error that ends the job, for a failure that was retried in vain or is final.</summary>
    public static MigrationException GaveUp(TransferFailure failure, Transfer.RetryPolicy policy, Uri endpoint, string doing)
    {
        var minutes = policy.GiveUpAfter.TotalMinutes;
        return failure.Kind switch
        {
            FailureKind.Throttled => new MigrationException(
                "TargetThrottled",
                MigrationErrorKind.LimitExceeded,
                $"{doing}: the table has refused every request for {minutes:0.#} minutes ({failure.Code}: {failure.Message}). "
                + $"Give it more write capacity, or lower writeUnitsPerSecond in the definition's throttle. {CheckpointKept}",
                endpoint,
                failure.Cause),
            FailureKind.Network when failure.Code == "CredentialsUnavailable" => new MigrationException(
                "CredentialsUnavailable",
                MigrationErrorKind.AuthenticationFailed,
                $"{doing}: AWS credentials could not be had for {minutes:0.#} minutes ({failure.Message.TrimEnd('.')}). Check the profile, the role or the metadata service that gives them, sign in again, and connect again. {CheckpointKept}",
                endpoint,
                failure.Cause),
            FailureKind.Network or FailureKind.Server => new MigrationException(
                "NetworkLost",
                MigrationErrorKind.Unreachable,
                $"{doing}: no request to {endpoint} has succeeded for {minutes:0.#} minutes ({failure.Code}: {failure.Message}). "
                + $"Check the way between the sites. {CheckpointKept}",
                endpoint,
                failure.Cause),
            _ => FromCode(failure.Code, failure.Message, endpoint, doing, failure.Cause),
        };
    }

    public static MigrationException TableNotFound(string table, Uri endpoint, Exception? inner) => new(
        "TableNotFound",
        MigrationErrorKind.NotFound,
        $"Table '{table}' does not exist at {endpoint}, or is not active yet. Run Initialize-BillingTable first.",
        table,
        inner);

    public static MigrationException CredentialsMissing(Uri? endpoint, Exception? inner)
    {
        var emulator = endpoint is not null && endpoint.IsLoopback
            ? " An emulator such as DynamoDB Local accepts any: pass for example access key 'local' and secret key 'local'."
            : string.Empty;
        return new MigrationException(
            "CredentialsMissing",
            MigrationErrorKind.AuthenticationFailed,
            "No AWS credentials were found: none were passed, and neither the environment, a profile, a container nor an instance role gave any. "
            + "Pass -ProfileName or -Credential, set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in ('aws sso login')." + emulator,
            endpoint,
            inner);
    }

    public static MigrationException ProfileUnusable(string name, Exception inner)
    {
        var text = ErrorText.Reason(inner);
        var expired = text.Contains("expired", StringComparison.OrdinalIgnoreCase);
        return new MigrationException(
            expired ? "CredentialsExpired" : "CredentialsMissing",
            MigrationErrorKind.AuthenticationFailed,
            $"The AWS profile '{name}' gives no credentials: {text} An SSO profile is signed in with 'aws sso login --profile {name}'; of others, check what the profile names.",
            name,
            inner);
    }

    public static MigrationException OwnerGivesNone(Exception inner) => new(
        "CredentialsMissing",
        MigrationErrorKind.AuthenticationFailed,
        $"The AWS credentials that were passed, or that the session keeps, give no keys: {ErrorText.Reason(inner)} Sign in again, or pass others.",
        null,
        inner);

    public static MigrationException Unreachable(Uri endpoint, Exception? inner)
    {
        if (inner is not null && ErrorText.Chain(inner).Any(e => e is AuthenticationException))
        {
            return new MigrationException(
                "TargetUnreachable",
                MigrationErrorKind.Unreachable,
                $"No trusted TLS 1.2 or 1.3 connection to {endpoint} could be made: {ErrorText.TlsReason(inner)}. Check the endpoint; behind a proxy that opens TLS, this machine must trust its authority.",
                endpoint,
                inner);
        }

        if (inner is not null && ErrorText.Chain(inner).Any(e => e is OperationCanceledException) && !ErrorText.Chain(inner).Any(e => e.Message.Contains("ConnectTimeout", StringComparison.Ordinal)))
        {
            return new MigrationException(
                "TargetUnreachable",
                MigrationErrorKind.Unreachable,
                $"DynamoDB at {endpoint} takes connections, and has not answered a request in time, tried several times. "
                + "Either it is slow for now, or something between (firewall, proxy, VPN) swallows what is sent: try the same command again, and if that does not help, look at the way between.",
                endpoint,
                inner);
        }

        return new MigrationException(
            "TargetUnreachable",
            MigrationErrorKind.Unreachable,
            $"DynamoDB cannot be reached at {endpoint}.{(inner is null ? "" : " " + ErrorText.Reason(inner))} Check the Region, the endpoint, DNS, the firewall and the proxy (HTTPS_PROXY) between this machine and it.",
            endpoint,
            inner);
    }

    private static MigrationException CredentialsRefused(string code, string message, Uri endpoint, Exception? inner)
    {
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html: a request is valid for minutes around its date.
        var remedy = message.Contains("Signature expired", StringComparison.OrdinalIgnoreCase) || message.Contains("not yet current", StringComparison.OrdinalIgnoreCase)
            ? "The clock of this machine is wrong by minutes: set it (NTP)."
            : "Check the access key, its secret and, for temporary credentials, the session token; a deleted or inactive key is refused too.";
        return new MigrationException(
            "CredentialsRefused", MigrationErrorKind.AuthenticationFailed, $"{endpoint} refuses the AWS credentials ({code}). {remedy}", endpoint, inner);
    }

    private static MigrationException AccessDenied(string message, Uri endpoint, string doing, Exception? inner)
    {
        var match = NotAuthorized().Match(message);
        var what = match.Success
            ? $"the IAM action {match.Groups["action"].Value}" + (match.Groups["resource"].Success ? $" on {match.Groups["resource"].Value}" : string.Empty)
            : $"the IAM action for this call ({message})";
        return new MigrationException(
            "AccessDenied",
            MigrationErrorKind.PermissionDenied,
            $"{doing}: {endpoint} denies {what}. Allow it in a policy of the user or role that is used. {CheckpointKept}",
            match.Success ? match.Groups["action"].Value : endpoint,
            inner);
    }

    private static bool LooksLikeMissingCredentials(AmazonClientException exception) =>
        ErrorText.Chain(exception).Any(e => e.Message.Contains("credential", StringComparison.OrdinalIgnoreCase) || e.Message.Contains("Instance Metadata", StringComparison.OrdinalIgnoreCase));

    // "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:…:table/billing because …"
    [GeneratedRegex(@"not authorized to perform:? (?<action>[\w-]+:\w+)( on resource:? (?<resource>\S+))?", RegexOptions.CultureInvariant)]
    private static partial Regex NotAuthorized();
}
