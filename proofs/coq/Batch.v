(* Many vertices at once: their numbers packed into one integer, so that a product costs a limb or two; it is the checker. *)
From Coq Require Import ZArith List Bool Lia FMapPositive.
From Exactcam Require Import Plane Polygon Network Regions Evaluate Checker Sound.
Import ListNotations.
Open Scope Z_scope.

Fixpoint pack (k : Z) (l : list Z) : Z := match l with [] => 0 | x :: t => x + Z.shiftl (pack k t) k end.
Fixpoint unpack (k h m : Z) (n : nat) (y : Z) : list Z :=    (* h = 2^(k-1), m = 2^k - 1 *)
  match n with O => [] | S n' => let x := Z.land (y + h) m - h in x :: unpack k h m n' (Z.shiftr (y - x) k) end.
Lemma unpack_pack k l : 0 < k -> Forall (fun x => Z.abs x < 2 ^ (k - 1)) l ->
  unpack k (2 ^ (k - 1)) (Z.ones k) (length l) (pack k l) = l.
Proof.
  intros K. induction 1 as [|x l B _ IH]; [reflexivity|]. cbn [length unpack pack].
  rewrite Z.shiftl_mul_pow2 by lia. rewrite Z.land_ones by lia.
  assert (P : 2 ^ k = 2 * 2 ^ (k - 1)). { rewrite <- Z.pow_succ_r by lia. f_equal. lia. }
  assert (E : (x + pack k l * 2 ^ k + 2 ^ (k - 1)) mod 2 ^ k = x + 2 ^ (k - 1)).
  { replace (x + pack k l * 2 ^ k + 2 ^ (k - 1)) with (x + 2 ^ (k - 1) + pack k l * 2 ^ k) by ring.
    rewrite Z.mod_add by lia. apply Z.mod_small. lia. }
  rewrite E. replace (x + 2 ^ (k - 1) - 2 ^ (k - 1)) with x by ring. f_equal.
  replace (x + pack k l * 2 ^ k - x) with (pack k l * 2 ^ k) by ring.
  rewrite Z.shiftr_div_pow2, Z.div_mul by lia. exact IH.
Qed.
(* the same, with every number touched a logarithmic number of times, and digits cut out where they lie *)
Fixpoint pairs (k : Z) (l : list Z) : list Z := match l with a :: b :: t => (a + Z.shiftl b k) :: pairs k t | _ => l end.
Fixpoint packd (fuel : nat) (k : Z) (l : list Z) : Z :=
  match l, fuel with [], _ => 0 | [x], _ => x | _, O => pack k l | _, S f => packd f (2 * k) (pairs k l) end.
Lemma pack_pairs k : 0 <= k -> forall n l, (length l <= n)%nat -> pack (2 * k) (pairs k l) = pack k l.
Proof.
  intros K. induction n as [|n IH]; intros [|a [|b t]] L; simpl in L; try lia; cbn [pairs pack]; try reflexivity.
  - rewrite !Z.shiftl_0_l. reflexivity.
  - rewrite IH by lia. rewrite !Z.shiftl_mul_pow2 by lia. replace (2 * k) with (k + k) by ring. rewrite Z.pow_add_r by lia. ring.
Qed.
Lemma packd_ok f : forall k l, 0 <= k -> packd f k l = pack k l.
Proof.
  induction f as [|f IH]; intros k [|x [|y t]] K; cbn [packd]; try reflexivity; try (cbn [pack]; rewrite Z.shiftl_0_l; ring).
  rewrite IH by lia. apply (pack_pairs k K (length (x :: y :: t))). lia.
Qed.
Definition extract (y o l : Z) : Z := Z.land (Z.shiftr y o) (Z.ones l).
Fixpoint digits (k h o : Z) (n : nat) (y : Z) : list Z :=
  match n with O => [] | S n' => (extract y o k - h) :: digits k h (o + k) n' y end.
Lemma digits_ok k h l : 0 < k -> Forall (fun d => 0 <= d < 2 ^ k) l -> forall o lo, 0 <= o -> 0 <= lo < 2 ^ o ->
  digits k h o (length l) (lo + pack k l * 2 ^ o) = map (fun d => d - h) l.
Proof.
  intros K. induction 1 as [|d l B _ IH]; intros o lo O LO; [reflexivity|]. cbn [length digits map pack].
  rewrite Z.shiftl_mul_pow2 by lia. f_equal.
  - unfold extract. rewrite Z.shiftr_div_pow2, Z.div_add, Z.div_small, Z.land_ones by lia.
    rewrite Z.add_0_l, Z.mod_add, Z.mod_small by lia. reflexivity.
  - replace (lo + (d + pack k l * 2 ^ k) * 2 ^ o) with ((lo + d * 2 ^ o) + pack k l * 2 ^ (o + k)) by (rewrite Z.pow_add_r by lia; ring).
    apply IH; [lia|]. rewrite Z.pow_add_r by lia. nia.
Qed.
Lemma pack_add k h l : 0 <= k -> pack k l + pack k (repeat h (length l)) = pack k (map (fun x => x + h) l).
Proof.
  intros K. induction l as [|x l IH]; cbn [length repeat map pack]; [reflexivity|]. rewrite <- IH, !Z.shiftl_mul_pow2 by lia. ring.
Qed.
Lemma digits_pack k l : 0 < k -> Forall (fun x => Z.abs x < 2 ^ (k - 1)) l ->
  digits k (2 ^ (k - 1)) 0 (length l) (pack k l + pack k (repeat (2 ^ (k - 1)) (length l))) = l.
Proof.
  intros K H. rewrite pack_add by lia.
  assert (P : 2 ^ k = 2 * 2 ^ (k - 1)). { rewrite <- Z.pow_succ_r by lia. f_equal. lia. }
  pose proof (digits_ok k (2 ^ (k - 1)) (map (fun x => x + 2 ^ (k - 1)) l) K) as D.
  rewrite map_length in D. specialize (fun X => D X 0 0 (Z.le_refl 0)). rewrite Z.pow_0_r, Z.mul_1_r, Z.add_0_l in D. rewrite D.
  - rewrite map_map. rewrite <- (map_id l) at 2. apply map_ext. intros; lia.
  - apply Forall_map. eapply Forall_impl; [|exact H]. cbn beta. intros; lia.
  - lia.
Qed.
(* columns of vectors; rows of results *)
Fixpoint zipcons (x : list Z) (cols : list (list Z)) : list (list Z) :=
  match x, cols with a :: x', c :: cols' => (a :: c) :: zipcons x' cols' | _, _ => [] end.
Fixpoint transpose (n : nat) (xs : list (list Z)) : list (list Z) :=
  match xs with [] => repeat [] n | x :: t => zipcons x (transpose n t) end.
Definition absum (r : row) : Z := fold_right (fun ga s => Z.abs (snd ga) + s) 0 r.
Definition biggest (x : list Z) : Z := fold_right (fun a s => Z.max (Z.abs a) s) 0 x.

Lemma zipcons_len x : forall c n, length x = n -> length c = n -> length (zipcons x c) = n.
Proof. induction x as [|a x IH]; intros [|b c] n L M; simpl in *; subst; try discriminate; auto. Qed.
Lemma transpose_len n xs : Forall (fun x => length x = n) xs -> length (transpose n xs) = n.
Proof. induction 1 as [|x xs L _ IH]; simpl; [apply repeat_length | apply zipcons_len; assumption]. Qed.
Lemma dotZ_acc r : forall x acc, dotZ acc r x = acc + dotZ 0 r x.
Proof.
  induction r as [|[g a] r IH]; intros x acc; cbn [dotZ]; [ring|]. destruct (skipn g x) as [|y x']; [ring|].
  rewrite IH, (IH x' (madd 0 a y)), !madd_ok. ring.
Qed.
Lemma zipcons_skipn g : forall x cols, skipn g (zipcons x cols) = zipcons (skipn g x) (skipn g cols).
Proof.
  induction g as [|g IH]; intros [|a x] [|c cols]; cbn [zipcons skipn]; auto. destruct (skipn g x); reflexivity.
Qed.
Lemma pack_cons k r : 0 <= k -> forall x cols, length x = length cols ->
  dotZ 0 r (map (pack k) (zipcons x cols)) = dotZ 0 r x + dotZ 0 r (map (pack k) cols) * 2 ^ k.
Proof.
  intros K. induction r as [|[g b] r IH]; intros x cols L; cbn [dotZ]; [ring|].
  rewrite !skipn_map, zipcons_skipn. assert (M : length (skipn g x) = length (skipn g cols)) by (rewrite !skipn_length; lia).
  destruct (skipn g x) as [|a x'], (skipn g cols) as [|c cols']; simpl in M; try discriminate; cbn [zipcons map pack]; [ring|]. rewrite !madd_ok.
  rewrite (dotZ_acc r (map _ _) (0 + b * (a + _))), IH by lia.
  rewrite (dotZ_acc r x' (0 + b * a)), (dotZ_acc r (map (pack k) cols') (0 + b * pack k c)). rewrite Z.shiftl_mul_pow2 by lia. ring.
Qed.
Lemma dot_zeros k r : forall l, Forall (eq []) l -> dotZ 0 r (map (pack k) l) = 0.
Proof.
  induction r as [|[g a] r IH]; intros l H; cbn [dotZ]; [reflexivity|]. rewrite skipn_map.
  assert (N : Forall (eq []) (skipn g l)) by (rewrite <- (firstn_skipn g l), Forall_app in H; apply H).
  destruct N as [|c l' <- N]; cbn [map pack]; [reflexivity|]. rewrite dotZ_acc, madd_ok, IH by exact N. ring.
Qed.
Lemma pack_dot k n r xs : 0 <= k -> Forall (fun x => length x = n) xs ->
  dotZ 0 r (map (pack k) (transpose n xs)) = pack k (map (dotZ 0 r) xs).
Proof.
  intros K. induction 1 as [|x xs L H IH]; cbn [transpose map pack].
  - apply dot_zeros, Forall_forall. intros y I. apply repeat_spec in I. auto.
  - rewrite pack_cons by (try exact K; rewrite transpose_len by assumption; exact L).
    rewrite IH, Z.shiftl_mul_pow2 by lia. reflexivity.
Qed.
Lemma absum_nonneg r : 0 <= absum r.
Proof. induction r as [|b r IH]; simpl; [lia | unfold absum in *; lia]. Qed.
Lemma dot_bound m r : 0 <= m -> forall x, Forall (fun y => Z.abs y <= m) x -> Z.abs (dotZ 0 r x) <= absum r * m.
Proof.
  intros M. induction r as [|[g a] r IH]; intros x H; cbn [dotZ absum fold_right snd]; [lia|].
  fold (absum r). pose proof (absum_nonneg r).
  assert (N : Forall (fun y => Z.abs y <= m) (skipn g x)) by (rewrite <- (firstn_skipn g x), Forall_app in H; apply H).
  destruct N as [|y x' B N]; [nia|]. rewrite dotZ_acc, madd_ok. specialize (IH _ N).
  assert (Z.abs (a * y) <= Z.abs a * m) by (rewrite Z.abs_mul; nia). lia.
Qed.
Lemma biggest_ok x : Forall (fun y => Z.abs y <= biggest x) x /\ 0 <= biggest x.
Proof.
  induction x as [|a x [I J]]; simpl; [split; [constructor | lia]|]. fold (biggest x). split; [|lia].
  constructor; [lia|]. eapply Forall_impl; [|exact I]. simpl. intros; lia.
Qed.
(* the norm of a matrix is known beforehand *)
Definition norm (M : list row) : Z := fold_right (fun r s => Z.max (absum r) s) 0 M.
Definition mulvecs (most : Z) (M : list row) (xs : list (list Z)) : list (list Z) :=
  match xs with
  | [] => []
  | x0 :: _ =>
      let n := length x0 in
      if forallb (fun x => Nat.eqb (length x) n) xs then
        let top := most * fold_right (fun x s => Z.max (biggest x) s) 0 xs in
        let k := Z.log2 top + 2 in let h := 2 ^ (k - 1) in
        let cols := map (packd (length xs) k) (transpose n xs) in let b := length xs in
        let off := packd b k (repeat h b) in
        transpose b (map (fun r => digits k h 0 b (dotZ 0 r cols + off)) M)
      else map (fun x => map (fun r => dotZ 0 r x) M) xs
  end.
Lemma transpose_map {X} (f : X -> list Z -> Z) (M : list X) : forall xs,
  transpose (length xs) (map (fun r => map (f r) xs) M) = map (fun x => map (fun r => f r x) M) xs.
Proof.
  induction M as [|r M IH]; intros xs; cbn [map transpose].
  - induction xs; simpl; [reflexivity | f_equal; assumption].
  - rewrite IH. induction xs as [|x xs IHx]; simpl; [reflexivity | f_equal; exact IHx].
Qed.
Theorem mulvecs_ok M xs : mulvecs (norm M) M xs = map (fun x => map (fun r => dotZ 0 r x) M) xs.
Proof.
  destruct xs as [|x0 xs0]; [reflexivity|]. unfold mulvecs. set (xs := x0 :: xs0). set (n := length x0).
  destruct (forallb (fun x => Nat.eqb (length x) n) xs) eqn:E; [|reflexivity].
  assert (L : Forall (fun x => length x = n) xs).
  { apply Forall_forall. intros x I. rewrite forallb_forall in E. apply Nat.eqb_eq, E, I. }
  set (A := norm M). set (B := fold_right (fun x s => Z.max (biggest x) s) 0 xs).
  set (k := Z.log2 (A * B) + 2).
  assert (K : 2 <= k) by (unfold k; pose proof (Z.log2_nonneg (A * B)); lia).
  assert (PA : forall r, In r M -> absum r <= A).
  { unfold A, norm. clear. induction M as [|r M IH]; intros x I; [contradiction|]. cbn [fold_right].
    destruct I as [<-|I]; [lia | specialize (IH x I); lia]. }
  assert (PB : forall x, In x xs -> biggest x <= B).
  { unfold B. clear. induction xs as [|r M IH]; intros x I; [contradiction|]. cbn [fold_right].
    destruct I as [<-|I]; [lia | specialize (IH x I); lia]. }
  rewrite <- (transpose_map (fun r x => dotZ 0 r x) M xs). f_equal. apply map_ext_in. intros r Ir.
  rewrite packd_ok by lia. rewrite (map_ext _ (pack k)) by (intros; apply packd_ok; lia).
  rewrite pack_dot by (lia || exact L). rewrite <- (map_length (dotZ 0 r) xs). apply digits_pack; [lia|].
  apply Forall_map, Forall_forall. intros x Ix. destruct (biggest_ok x) as [F0 F1].
  assert (F2 : Forall (fun y => Z.abs y <= B) x). { eapply Forall_impl; [|exact F0]. simpl. intros y Y. specialize (PB x Ix). lia. }
  assert (0 <= B) by (specialize (PB x Ix); lia).
  pose proof (dot_bound B r H x F2) as D. specialize (PA r Ir). pose proof (absum_nonneg r).
  assert (Z.abs (dotZ 0 r x) <= A * B) by nia.
  replace (k - 1) with (Z.succ (Z.log2 (A * B))) by (unfold k; lia).
  destruct (Z.eq_dec (A * B) 0) as [Z0|Z0].
  - rewrite Z0 in *. simpl. lia.
  - pose proof (Z.log2_spec (A * B)). lia.
Qed.
Open Scope Z_scope.

Definition item := (Z * store)%type.
Fixpoint zipadd (F : item -> Z) (its : list item) (ps as_ : list (list Z)) : list (list Z) :=
  match its, ps, as_ with
  | i :: its', p :: ps', a :: as' => (let f := F i in vaddZ (map (scaleZ f) p) a) :: zipadd F its' ps' as'
  | _, _, _ => [] end.
(* from one source the bias is one more column *)
Fixpoint extend (bias : list Z) (M : list row) : list row :=
  match bias, M with b :: bias', r :: M' => ((O, b) :: r) :: extend bias' M' | _, _ => [] end.
Definition norms (n : node) : list Z :=
  match n with
  | Affine src bias _ => norm (match src with [(_, M)] => extend bias M | _ => [] end) :: map (fun km => norm (snd km)) src
  | _ => []
  end.
Definition sumsB (src : list (nat * list row)) (bias : list Z) (most : list Z) (its : list item) : list (list Z) :=
  fold_right (fun '(km, m) accs =>
      zipadd (fun it => lcms src (snd it) / fst (at_src (fst km) (snd it))) its
        (mulvecs m (snd km) (map (fun it => snd (at_src (fst km) (snd it))) its)) accs)
    (map (fun it => let Dw := lcms src (snd it) * fst it in map (fun b => b * Dw) bias) its) (combine src most).
Definition valueB (n : node) (most : list Z) (its : list item) : list (Z * list Z) :=
  match n with
  | Affine src bias s =>
      combine (map (fun it => lcms src (snd it) * Zpos s) its)
        (match src with
         | [(k, M)] =>
             if forallb (fun it => lcms src (snd it) / fst (at_src k (snd it)) =? 1) its
             then mulvecs (hd 0 most) (extend bias M) (map (fun it => lcms src (snd it) * fst it :: snd (at_src k (snd it))) its)
             else sumsB src bias (tl most) its
         | _ => sumsB src bias (tl most) its
         end)
  | _ => map (fun it => valueZ n (fst it) (snd it)) its
  end.
Lemma zipadd_map F its f g : zipadd F its (map f its) (map g its) = map (fun it => vaddZ (map (scaleZ (F it)) (f it)) (g it)) its.
Proof. induction its as [|i its IH]; simpl; [reflexivity|]. f_equal. exact IH. Qed.
Lemma combine_map {X Y W} (f : X -> Y) (g : X -> W) l : combine (map f l) (map g l) = map (fun x => (f x, g x)) l.
Proof. induction l; simpl; congruence. Qed.
Definition sums (src : list (nat * list row)) (bias : list Z) (it : item) : list Z :=
  fold_right (fun km acc => let '(Dk, zs) := at_src (fst km) (snd it) in
     vaddZ (map (fun r => scaleZ (lcms src (snd it) / Dk) (dotZ 0 r zs)) (snd km)) acc) (map (fun b => b * (lcms src (snd it) * fst it)) bias) src.
Lemma sumsB_ok src bias its : sumsB src bias (map (fun km => norm (snd km)) src) its = map (sums src bias) its.
Proof.
  unfold sumsB, sums. generalize (lcms src) as L. intros L. induction src as [|km src IH]; cbn [fold_right map combine]; [reflexivity|].
  rewrite IH, mulvecs_ok, map_map, zipadd_map. apply map_ext. intros it. destruct (at_src (fst km) (snd it)) as [Dk zs]. cbn [fst snd].
  rewrite map_map. reflexivity.
Qed.
Lemma extend_ok Dw zs bias M : map (fun r => dotZ 0 r (Dw :: zs)) (extend bias M)
  = vaddZ (map (fun r => scaleZ 1 (dotZ 0 r zs)) M) (map (fun b => b * Dw) bias).
Proof.
  revert M. induction bias as [|b bias IH]; intros [|r M]; cbn [extend map vaddZ]; try reflexivity. rewrite IH. f_equal.
  cbn [dotZ skipn]. rewrite dotZ_acc, madd_ok. unfold scaleZ. cbn. ring.
Qed.
Lemma valueB_ok n its : valueB n (norms n) its = map (fun it => valueZ n (fst it) (snd it)) its.
Proof.
  destruct n as [src bias s|k s us|k gs]; try reflexivity. unfold valueB, norms. cbn [hd tl].
  match goal with |- combine _ ?x = _ => assert (E : x = map (sums src bias) its) end; [|rewrite E, combine_map; reflexivity].
  destruct src as [|[k M] [|km src]]; try apply sumsB_ok. match goal with |- context [forallb ?f its] => destruct (forallb f its) eqn:F end; [|apply sumsB_ok].
  rewrite mulvecs_ok, map_map. apply map_ext_in. intros it I. rewrite forallb_forall in F. specialize (F it I). apply Z.eqb_eq in F.
  rewrite extend_ok. unfold sums. cbn [fold_right fst snd]. destruct (at_src k (snd it)) as [Dk zs] eqn:A. cbn [fst snd] in F |- *.
  rewrite F. reflexivity.
Qed.
Fixpoint push (its : list item) (vs : list (Z * list Z)) : list item :=
  match its, vs with i :: its', v :: vs' => (fst i, v :: snd i) :: push its' vs' | _, _ => [] end.
Definition prepared (N : net) : list (node * list Z) := map (fun n => (n, norms n)) N.
(* bits, sixty at a time *)
Fixpoint low_bits (f : Z -> bool) (many : nat) (l : list Z) (bit sum : Z) : Z * list Z :=
  match many, l with
  | S m, z :: t => low_bits f m t (bit + bit) (if f z then sum + bit else sum)
  | _, _ => (sum, l)
  end.
Fixpoint bits_fast (fuel : nat) (f : Z -> bool) (l : list Z) : Z :=
  match fuel with
  | O => bits f l
  | S n => let '(sum, t) := low_bits f 60 l 1 0 in match t with [] => sum | _ => sum + Z.shiftl (bits_fast n f t) 60 end
  end.
Lemma low_bits_ok f many : forall l bit sum t s, low_bits f many l bit sum = (s, t) ->
  sum + bit * bits f l = s + bit * (2 ^ Z.of_nat many * bits f t).
Proof.
  induction many as [|m IH]; intros l bit sum t s H.
  - destruct l; injection H as <- <-; rewrite Z.pow_0_r; ring.
  - destruct l as [|z l]; cbn [low_bits] in H; [injection H as <- <-; cbn [bits]; ring|].
    apply IH in H. cbn [bits]. rewrite Nat2Z.inj_succ, Z.pow_succ_r by lia.
    transitivity ((if f z then sum + bit else sum) + (bit + bit) * bits f l); [destruct (f z); cbn [Z.b2z]; ring|]. rewrite H. ring.
Qed.
Lemma bits_fast_ok n f : forall l, bits_fast n f l = bits f l.
Proof.
  induction n as [|n IH]; intros l; cbn [bits_fast]; [reflexivity|]. destruct (low_bits f 60 l 1 0) as [sum t] eqn:E.
  apply low_bits_ok in E. destruct t as [|z t]; [cbn [bits] in E; lia|].
  rewrite IH, Z.shiftl_mul_pow2 by lia. change (2 ^ 60) with (2 ^ Z.of_nat 60). lia.
Qed.
