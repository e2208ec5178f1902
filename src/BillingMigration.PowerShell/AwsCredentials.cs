using System.Management.Automation;
using System.Reflection;
using System.Runtime.ExceptionServices;
using BillingMigration.Target;

namespace BillingMigration.PowerShell;

/// <summary>
/// Reads the keys out of a credential object of any assembly: AWS.Tools loads another copy of the SDK than this module, so its types cannot
/// be named here.
/// </summary>
internal static class AwsCredentials
{
    private const BindingFlags AnyInstance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>
    /// Understands a PSCredential (user name: access key id), the SDK's credentials (<c>GetCredentials()</c>), what AWS.Tools keeps in
    /// <c>$StoredAWSCredentials</c>, and objects with AccessKey/SecretKey/Token or STS's AccessKeyId/SecretAccessKey/SessionToken.
    /// </summary>
    /// <returns>Gives the keys as they are then: the owner of the object renews them when they end.</returns>
    /// <exception cref="MigrationException"><c>CredentialNotUnderstood</c>.</exception>
    public static Func<TargetKeys> Follow(object credential)
    {
        Read(credential);
        return () => Read(credential);
    }

    private static TargetKeys Read(object credential)
    {
        var value = credential is PSObject { BaseObject: var inner } && inner is not PSCustomObject ? inner : credential;
        if (value is PSCredential pair)
        {
            return new TargetKeys(pair.UserName, pair.GetNetworkCredential().Password, null);
        }

        // AWS.Tools.Common: AWSPSCredentials holds the SDK's object in a property that is not public.
        var keys = ReadKeys(value) ?? ReadSdk(value) ?? (Member(value, "Credentials") is { } held ? ReadKeys(held) ?? ReadSdk(held) : null);
        return keys ?? throw new MigrationException(
            "CredentialNotUnderstood",
            MigrationErrorKind.InvalidArgument,
            $"The AWS credential is a {value.GetType().FullName}, which has neither GetCredentials() nor access and secret key. "
                + "Pass the result of Get-AWSCredential, or a PSCredential with the access key id as user name and the secret key as password.",
            value.GetType().FullName);
    }

    private static TargetKeys? ReadSdk(object value)
    {
        var method = value.GetType().GetMethod("GetCredentials", Type.EmptyTypes);
        try
        {
            return method?.Invoke(value, null) is { } keys ? ReadKeys(keys) : null;
        }
        catch (TargetInvocationException e) when (e.InnerException is not null)
        {
            ExceptionDispatchInfo.Throw(e.InnerException);
            throw;
        }
    }

    private static TargetKeys? ReadKeys(object value)
    {
        var id = Text(value, "AccessKey") ?? Text(value, "AccessKeyId");
        var secret = Text(value, "SecretKey") ?? Text(value, "SecretAccessKey");
        var token = Text(value, "Token") ?? Text(value, "SessionToken");
        return id is null || secret is null ? null : new TargetKeys(id, secret, token);
    }

    private static string? Text(object value, string name) => Member(value, name)?.ToString() is { Length: > 0 } text ? text : null;

    private static object? Member(object value, string name)
    {
        if (value is PSObject wrapped)
        {
            return wrapped.Properties[name]?.Value;
        }

        var property = value.GetType().GetProperty(name, AnyInstance);
        return property is { CanRead: true } && property.GetIndexParameters().Length == 0 ? property.GetValue(value) : null;
    }
}
