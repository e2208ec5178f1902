namespace BillingMigration.Store;

/// <summary>Names of the six entities of a billing system, as the definition has them, and of the one that keeps calls.</summary>
public static class BillingEntity
{
    public const string Customer = "CUSTOMER";
    public const string Account = "BILLING_ACCOUNT";
    public const string Subscriber = "SUBSCRIBER";
    public const string Agreement = "SERVICE_AGREEMENT";
    public const string Bill = "BILL";
    public const string Charge = "CHARGE";

    /// <summary>Calls that were made with a key of the application's own; only a definition whose calls have keys needs it.</summary>
    public const string Call = "CALL";
}
