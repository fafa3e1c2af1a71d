(* The theorem, what it rests on, and the program. The constants below are trusted: each is said to be, in OCaml,
   what it is in Coq. Numbers are zarith's, and natural numbers (positions, lengths, loops) are machine integers. *)
From Coq Require Import ZArith List Extraction ExtrOcamlBasic ExtrOcamlNativeString ExtrOcamlZBigInt ExtrOcamlNatInt.
From Exactcam Require Import Claim Judge Batch.

Theorem accepted_is_true : sound judge.
Proof. exact judge_sound. Qed.
Print Assumptions accepted_is_true.

Extraction Language OCaml.
Extract Constant Z.add => "Zar.add".
Extract Constant Z.sub => "Zar.sub".
Extract Constant Z.mul => "Zar.mul".
Extract Constant Z.div => "(fun a b -> if Zar.sign b = 0 then Zar.zero else Zar.fdiv a b)".
Extract Constant Z.modulo => "(fun a b -> if Zar.sign b = 0 then a else Zar.sub a (Zar.mul b (Zar.fdiv a b)))".
Extract Constant Z.gcd => "Zar.gcd".
Extract Constant Z.eqb => "(fun a b -> a == b || Zar.equal a b)".
Extract Constant Z.ltb => "Zar.lt".
Extract Constant Z.leb => "Zar.leq".
Extract Constant Z.lor => "Zar.logor".
Extract Constant Z.land => "Zar.logand".
Extract Constant Z.shiftl => "(fun x k -> Zar.shift_left x (Zar.to_int k))".     (* raises if k < 0 *)
Extract Constant Z.shiftr => "(fun x k -> Zar.shift_right x (Zar.to_int k))".
Extract Constant Z.log2 => "(fun x -> if Zar.sign x <= 0 then Zar.zero else Zar.of_int (Zar.numbits x - 1))".
Extract Constant Z.pow => "(fun x k -> if Zar.sign k < 0 then Zar.zero else Zar.pow x (Zar.to_int k))".
Extract Constant Z.ones => "(fun k -> Zar.pred (Zar.shift_left Zar.one (Zar.to_int k)))".
Extract Constant Z.of_nat => "Zar.of_int".
Extract Constant Z.to_nat => "(fun z -> if Zar.sign z <= 0 then 0 else Zar.to_int z)".     (* raises beyond 62 bits *)
Extract Constant Z.to_pos => "(fun z -> if Zar.sign z <= 0 then Zar.one else z)".
Extract Constant Pos.eqb => "(fun a b -> a == b || Zar.equal a b)".
Extract Constant extract => "(fun y o l -> Zar.extract y (Zar.to_int o) (Zar.to_int l))".   (* raises if o < 0 or l < 1 *)
Extraction "checker.ml" judge.
