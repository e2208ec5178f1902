namespace BillingMigration.Source.Drafting;

/// <summary>How tables of one entity are called and what they hold, in other shops.</summary>
/// <param name="Entity">Entity name.</param>
/// <param name="Label">Word that begins its keys.</param>
/// <param name="Names">Names in the singular, the most telling first.</param>
/// <param name="Columns">Words in typical column names.</param>
/// <param name="Parents">Entities that it usually refers to.</param>
internal sealed record EntityProfile(string Entity, string Label, string[] Names, string[] Columns, string[] Parents)
{
    public const string Account = "BILLING_ACCOUNT";
    public const string Subscriber = "SUBSCRIBER";
    public const string Customer = "CUSTOMER";
    public const string Bill = "BILL";
    public const string Charge = "CHARGE";
    public const string Agreement = "SERVICE_AGREEMENT";

    public static IReadOnlyList<EntityProfile> All { get; } =
    [
        new(Customer, "CUSTOMER",
            ["customer", "client", "party", "person", "payer", "customer profile"],
            ["first", "last", "email", "birth", "name", "address", "tax", "company", "consent"], []),
        new(Account, "ACCOUNT",
            ["billing account", "customer account", "client account", "account", "ban", "acct", "billing acct", "debtor"],
            ["balance", "currency", "credit", "cycle", "iban", "payment", "limit"], [Customer]),
        new(Subscriber, "SUBSCRIBER",
            ["subscriber", "subscription", "line", "service line", "phone line", "msisdn", "subscriber line"],
            ["phone", "msisdn", "imsi", "iccid", "sim", "pin", "activated", "mobile"], [Account, Customer]),
        new(Agreement, "AGREEMENT",
            ["service agreement", "agreement", "contract", "service contract", "subscription plan", "subscriber plan", "plan subscription", "service", "subscribed service", "subscriber service", "subscription"],
            ["product", "plan", "fee", "renew", "terms", "discount", "start", "end", "tariff", "offer"], [Subscriber, Account]),
        new(Bill, "BILL",
            ["bill", "invoice", "statement", "billing statement", "billing document"],
            ["due", "total", "subtotal", "paid", "period", "issued", "tax"], [Account, Customer]),
        new(Charge, "CHARGE",
            ["charge", "usage charge", "invoice line", "bill line", "invoice item", "bill item", "line item", "bill detail", "invoice detail", "invoice line item", "fee", "usage fee", "rated event", "rated usage", "cdr", "usage"],
            ["amount", "quantity", "tax", "charged", "description", "price", "units", "usage", "type", "rated"], [Bill, Account, Subscriber, Agreement]),
    ];

    public static EntityProfile Of(string entity) => All.First(p => p.Entity == entity);
}
