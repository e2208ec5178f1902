namespace BillingMigration.Store;

/// <summary>Names of the six entities of a billing system, as the definition has them.</summary>
public static class BillingEntity
{
    public const string Customer = "CUSTOMER";
    public const string Account = "BILLING_ACCOUNT";
    public const string Subscriber = "SUBSCRIBER";
    public const string Agreement = "SERVICE_AGREEMENT";
    public const string Bill = "BILL";
    public const string Charge = "CHARGE";
}
