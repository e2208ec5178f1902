namespace BillingMigration.Source;

/// <summary>User name and password of the source account. Its text never shows the password.</summary>
public sealed record SourceCredential(string UserName, string Password)
{
    public override string ToString() => UserName;
}
